// The dashboard. Everything shown is text put into the page as text; the only source is this daemon.
import { Candles, Curve, clock, day } from "./chart.js";
import { S, curve, curveOf, fold, older, snapshot } from "./state.js";

const $ = (id) => document.getElementById(id);
const el = (tag, props, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
};
// Whoever has the keyboard's focus on something keeps it when its row is drawn anew.
const put = (id, ...nodes) => {
  const at = document.activeElement;
  const key = at && $(id).contains(at) ? at.getAttribute("data-focus") : null;
  $(id).replaceChildren(...nodes.flat());
  if (key) { const again = $(id).querySelector('[data-focus="' + CSS.escape(key) + '"]'); if (again) again.focus({ preventScroll: true }); }
};
const unknown = "—";
// Before a ledger is open, of whatever stands in it.
const awaited = () => (S.boot === null ? "unknown" : "unknown until the first session");
const row = (columns, text) => el("tr", {}, el("td", { class: "dim", colspan: columns }, text));
const usd = (text, digits = 2) => (text === null || text === undefined ? unknown
  // Less than nothing by less than is shown is nothing.
  : Number(text).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace(/^-(?=[0.]+$)/, ""));
const price = (text) => (text === null || text === undefined ? unknown : String(text));
const sign = (text) => (text === null || text === undefined || Number(text) === 0 ? "" : Number(text) > 0 ? "good" : "bad");
const when = (iso) => { const ms = Date.parse(iso); return Number.isNaN(ms) ? unknown : day(ms).slice(5) + " " + clock(ms, true); };
const span = (s) => (s < 0 ? "0 s" : s < 120 ? Math.round(s) + " s" : s < 7200 ? Math.round(s / 60) + " min" : (s / 3600).toFixed(1) + " h");

// How often each kind of message has come.
const moved = { history: 0 };
const stored = () => sessionStorage.getItem("token") || "";
const read = async (path) => {
  const headers = stored() ? { Authorization: "Bearer " + stored() } : {};
  const answer = await fetch("/api/v1/" + path, { headers, cache: "no-store" });
  if (answer.status === 401) wantsToken();
  if (!answer.ok) throw Object.assign(new Error(path + ": " + answer.status), { status: answer.status });
  return answer.json();
};
// Nothing is read without the token: it is asked for, once, and one that was refused is forgotten.
const wantsToken = () => {
  const had = stored() !== "";
  sessionStorage.removeItem("token");
  $("stale").textContent = "This daemon shows nothing without its token.";
  if ($("ask").open) return;
  ask("token");
  if (had) answer("This is not the token.", false);
};
// What the snapshot does not hold, and which symbols' bars are to be read. What fails is tried again.
const due = { rest: false, bars: new Set(), busy: false };
const rest = async () => {
  const boot = S.boot;
  const [equity, log, strategies, version, orders, fills] = await Promise.all([read("equity"), read("log?limit=300"), read("strategies"), read("version"), read("orders?limit=2000"), read("fills?limit=2000")]);
  if (boot !== S.boot) return;
  older(orders.orders || [], fills.fills || []);
  curveOf(equity.equity || []);
  S.log = log.log;
  S.strategies = new Map(strategies.strategies.map((s) => [s.symbol, s]));
  put("version", version.name + " " + version.version + ", up since " + when(version.started_at) + ", times of " + Intl.DateTimeFormat().resolvedOptions().timeZone + ", API at /api/v1/openapi.json, metrics at /metrics");
};
// From now on its bars are kept as they come, also while those before them are on their way.
const wants = (symbol) => { if (!S.bars.has(symbol)) S.bars.set(symbol, []); due.bars.add(symbol); };
const bars = async (symbol) => {
  const boot = S.boot;
  const rows = (await read("bars?limit=2000&symbol=" + encodeURIComponent(symbol))).bars;
  if (boot !== S.boot) return;
  // Bars that came while these were on their way.
  const newer = (S.bars.get(symbol) || []).filter((b) => !rows.length || b.time_ms > rows[rows.length - 1].time_ms);
  S.bars.set(symbol, rows.concat(newer));
};
const readDue = async () => {
  if (due.busy) return;
  due.busy = true;
  const tried = async (reads, again) => {
    try { await reads(); } catch (error) {
      // Without a token, and of what is not there, nothing comes by asking again.
      if (error.status === 401 || error.status === 404) return true;
      again();
      return false;
    }
    moved.history += 1;
    dirty();
    return true;
  };
  for (let goes = true; goes && (due.rest || due.bars.size);) {
    if (due.rest) { due.rest = false; goes = await tried(rest, () => { due.rest = true; }); continue; }
    const symbol = due.bars.values().next().value;
    due.bars.delete(symbol);
    goes = await tried(() => bars(symbol), () => due.bars.add(symbol));
  }
  due.busy = false;
};

const connect = () => {
  const query = S.boot && S.seq ? "?boot=" + S.boot + "&from=" + S.seq : "";
  const protocols = ["robo-trader.v1"].concat(stored() ? ["token." + stored()] : []);
  const socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/api/v1/ws" + query, protocols);
  S.socket = socket;
  socket.onmessage = (event) => {
    S.heard = performance.now();
    const message = JSON.parse(event.data);
    guarded("messages of type " + message.type, () => heard(message));
  };
  const heard = (message) => {
    if (message.seq) S.seq = message.seq;
    if (message.type === "hello") { if (S.boot !== message.boot) S.bars = new Map(); S.boot = message.boot; S.wait = 500; if (message.resumed) live(true); }
    else if (message.type === "snapshot") { snapshot(message.data); due.rest = true; for (const symbol of S.positions.keys()) wants(symbol); live(true); }
    else if (fold[message.type]) fold[message.type](message.data, message.symbol);
    if (message.type === "history" || message.type === "position" && !S.bars.has(message.symbol)) wants(message.symbol);
    readDue();
    moved[message.type] = (moved[message.type] || 0) + 1;
    dirty();
  };
  socket.onclose = () => {
    if (S.socket !== socket) return;
    live(false);
    setTimeout(connect, S.wait);
    S.wait = Math.min(5000, S.wait * 1.6);
    read("version").catch(() => {});
  };
};
const live = (is) => {
  if (is === !document.body.classList.contains("stale")) return;
  document.body.classList.toggle("stale", !is);
  $("stale").textContent = "No connection to the daemon since " + clock(Date.now(), true) + ": what you see is old. Trying again.";
  document.title = is ? "robo-trader" : "(no connection) robo-trader";
  header();
  dirty();
};
setInterval(() => {
  if (!S.socket || S.socket.readyState !== WebSocket.OPEN) return;
  S.socket.send('{"type":"ping"}');
  readDue();
  // A socket that is open and silent is a dead one.
  if (performance.now() - S.heard > 12000) { const old = S.socket; S.socket = null; old.close(); live(false); connect(); }
}, 4000);

// A part that fails says so, and keeps no other from being shown.
const faults = new Map();
const guarded = (name, does) => {
  let fault = null;
  try { does(); } catch (error) { fault = String(error); }
  if ((faults.get(name) || null) !== fault) {
    if (fault === null) faults.delete(name); else faults.set(name, fault);
    $("fault").hidden = faults.size === 0;
    $("fault").textContent = "This page is not whole, by a fault of its own: do not trust " + [...faults.keys()].join(", ") + ". "
      + [...faults].map(([part, why]) => part + ": " + why).join("; ");
  }
  return fault === null;
};

// ---- Drawing: at most four times a second.
let soon = false;
const dirty = () => { if (!soon) { soon = true; setTimeout(() => { soon = false; draw(); }, 250); } };

const chip = (kind, text, title) => el("span", { class: "chip " + kind, title }, text);
const health = () => {
  const link = S.connection;
  const chips = [];
  if (link) {
    const trades = link.trading === "yes";
    chips.push(chip(trades ? "good" : link.trading.startsWith("exits") ? "warn" : "bad", (trades ? "entries permitted" : "entries blocked") + " since " + when(link.trading_since),
      link.trading + " since " + when(link.reason_since)));
    const held = link.phase === "held";
    chips.push(chip(held ? "good" : "bad", "connection: " + link.phase + " since " + when(link.since), link.last_error));
    const wait = link.next_attempt_at ? (Date.parse(link.next_attempt_at) - Date.now()) / 1000 : null;
    if (!held && wait !== null) chips.push(chip("warn", "next attempt in " + span(wait)));
    chips.push(chip(link.breaker === "closed" ? "good" : "bad", "breaker: " + link.breaker + (link.attempts ? ", " + link.attempts + (link.attempts === 1 ? " attempt" : " attempts") : "")));
    // What a layer says of itself is said once.
    if (!held && link.last_error && !link.layers.some((l) => l.why === link.last_error)) chips.push(chip("bad", link.last_error));
    for (const halt of link.halts_waiting) chips.push(chip("warn", "a halt waits, " + halt, "in force before the first session may send anything; resume takes it back"));
    if (link.outage) chips.push(chip("warn", "expected outage: " + link.outage));
    const whole = link.layers.filter((l) => l.up && l.layer.startsWith("bars "));
    if (whole.length) chips.push(chip("good", whole.length === 1 ? whole[0].layer : "bars of " + whole.length + " symbols"));
    for (const l of link.layers.filter((l) => !whole.includes(l))) chips.push(chip(l.up ? "good" : "bad", l.up ? l.layer : l.layer + " is down: " + l.why + ". It blocks " + l.blocks, "since " + when(l.since)));
  }
  for (const lock of S.locks || []) chips.push(chip("warn", "locked, " + lock.what + ": " + lock.why, "ends: " + lock.ends));
  put("health", chips);
};
const header = () => {
  document.body.classList.toggle("stuck", Boolean(S.connection) && S.connection.trading === "no: the desk does not answer");
  const stale = document.body.classList.contains("stale");
  const trading = stale ? "unknown" : S.connection ? S.connection.trading : "starting";
  $("trading").className = "badge " + (trading === "yes" ? "good" : trading.startsWith("exits") ? "warn" : "bad");
  $("trading").textContent = "trading: " + trading;
  const a = S.account;
  $("who").textContent = a ? (a.account || "no account yet") + ", " + a.mode : "";
  $("clock").textContent = a ? "market time " + when(a.market_time) : "";
};
const money = () => {
  const a = S.account;
  if (!a) { put("money", el("div", { class: "dim whole" }, awaited())); return; }
  const item = (name, value, kind, exact) => el("div", {}, el("dt", {}, name), el("dd", { class: kind || "", title: exact }, value));
  const signed = (name, value) => item(name, usd(value), sign(value), value);
  put("money", item("Equity, USD", usd(a.equity_usd), "", a.equity_usd), signed("Day's P&L", a.day_pnl_usd), signed("Realized", a.realized_usd),
    signed("Unrealized", a.unrealized_usd), item("Fees", usd(a.fees_usd), "", a.fees_usd), item("Cash", usd(a.cash_usd), "", a.cash_usd),
    item("Exposure", usd(a.exposure_usd), "", a.exposure_usd), item("Drawdown", a.drawdown === null ? unknown : (a.drawdown * 100).toFixed(3) + " %"),
    item("Orders / fills", a.counts.orders + " / " + a.counts.executions), item("In doubt", a.unknown_orders, a.unknown_orders ? "bad" : ""));
};
const limits = () => {
  if (!S.account) { put("limits", row(3, awaited())); return; }
  const rows = S.account.limits;
  put("limits", rows.map((l) => {
    const part = l.used === null || Number(l.limit) === 0 ? null : Number(l.used) / Number(l.limit);
    const unit = { usd: " USD", multiple: " \u00d7 equity" }[l.unit] || "";
    const show = (v) => (v === null ? unknown : l.unit === "usd" ? usd(v, 0) : l.unit === "fraction" ? (v * 100).toFixed(2) + " %" : Number(v).toFixed(l.unit === "multiple" ? 2 : 0));
    // A use that is not known is no empty meter.
    const meter = part === null ? "" : el("meter", { min: 0, max: 1, low: 0.6, high: 0.85, optimum: 0, value: Math.min(1, part), "aria-label": l.name });
    return el("tr", { class: "own" }, el("td", {}, l.name.replaceAll("_", " ")), el("td", {}, meter), el("td", { class: "n" }, show(l.used) + " / " + show(l.limit) + unit));
  }));
};
const spark = (rows) => {
  const svg = document.createElementNS("http:" + "//www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "spark"); svg.setAttribute("viewBox", "0 0 84 20"); svg.setAttribute("aria-hidden", "true");
  const closes = rows.slice(-60).map((b) => b.close_usd);
  if (closes.length > 1) {
    const [low, high] = [Math.min(...closes), Math.max(...closes)];
    const line = document.createElementNS(svg.namespaceURI, "polyline");
    line.setAttribute("points", closes.map((c, i) => (i / (closes.length - 1) * 84).toFixed(1) + "," + (18 - (high > low ? (c - low) / (high - low) : 0.5) * 16).toFixed(1)).join(" "));
    svg.append(line);
  }
  return svg;
};
// Market time stands while there is no session; a bar grows old all the same.
const market = { time: null, came: 0 };
const marketNow = () => {
  if (!S.account) return null;
  if (market.time !== S.account.market_time) { market.time = S.account.market_time; market.came = performance.now(); }
  return Date.parse(market.time) + performance.now() - market.came;
};
const positions = () => {
  if (!S.positions.size) { put("positions", row(12, S.open ? "none yet" : awaited())); return; }
  const now = marketNow();
  const rows = [...S.positions.values()].sort((one, other) => (one.symbol < other.symbol ? -1 : 1));
  put("positions", rows.map((p) => {
    const age = now !== null && p.last_bar_end ? (now - Date.parse(p.last_bar_end)) / 1000 : null;
    const old = age !== null && S.account && age > 3 * S.account.bar_s;
    const n = (value, kind) => el("td", { class: "n " + (kind || "") }, value);
    const choose = el("button", { type: "button", class: "name", "data-focus": p.symbol, "aria-pressed": p.symbol === S.chosen ? "true" : "false", onclick: () => { S.chosen = p.symbol; dirty(); } }, p.symbol);
    return el("tr", { class: p.symbol === S.chosen ? "chosen" : "", title: p.strategy }, el("td", {}, choose), el("td", {}, price(p.last_close_usd)), el("td", {}, spark(S.bars.get(p.symbol) || [])),
      n(age === null ? unknown : span(age), old ? "bad" : ""), n(p.target === null ? unknown : (p.target > 0 ? "+" : "") + p.target + (p.disarmed ? " (" + p.disarmed + ")" : "")), n(p.held_shares), n(price(p.average_price_usd && usd(p.average_price_usd, 4))),
      n(p.held_shares !== 0 && p.stop_usd === null ? "none" : price(p.stop_usd), p.held_shares !== 0 && p.stop_usd === null ? "warn" : ""), n(p.working_orders),
      n(usd(p.unrealized_usd), sign(p.unrealized_usd)), n(usd(p.realized_usd), sign(p.realized_usd)), el("td", { class: "words" }, p.locked || ""));
  }));
  if (!S.chosen) S.chosen = rows[0].symbol;
};
const candles = new Candles($("chart"), (text) => { $("chart-read").textContent = text; });
for (const button of document.querySelectorAll("[data-chart]")) button.addEventListener("click", () => candles.act(button.dataset.chart));
const equityCurve = new Curve($("equity"), (text) => { $("equity-read").textContent = text; });
// Indicators come from the daemon, by the code that trades; asked for anew with a new bar, at most once a second.
const drawnOf = { key: "", at: 0, busy: false, time_ms: [], indicators: [] };
const askIndicators = async (symbol, rows) => {
  const key = symbol + " " + (rows.length ? rows[rows.length - 1].time_ms : "");
  if (!rows.length || drawnOf.busy || drawnOf.key === key || performance.now() - drawnOf.at < 1000) return;
  drawnOf.busy = true;
  drawnOf.at = performance.now();
  try {
    const answer = await read("indicators?limit=2000&symbol=" + encodeURIComponent(symbol));
    Object.assign(drawnOf, { key, symbol, time_ms: answer.time_ms, indicators: answer.indicators });
    moved.history += 1;
  } catch (error) { /* The chart goes without; it asks again with the next bar. */ }
  drawnOf.busy = false;
  dirty();
};
const COLORS = ["--accent", "--warn", "--dim", "--accent", "--warn", "--dim"];
const indicators = (rows, symbol) => {
  askIndicators(symbol, rows);
  if (drawnOf.symbol !== symbol) return [];
  const place = new Map(drawnOf.time_ms.map((ms, i) => [ms, i]));
  return drawnOf.indicators.map((line, i) => ({ name: line.name, pane: line.pane, color: COLORS[i % COLORS.length],
    values: rows.map((bar) => { const at = place.get(bar.time_ms); return at === undefined ? null : line.values[at]; }) }));
};
const chart = () => {
  const p = S.positions.get(S.chosen);
  const strategy = S.strategies.get(S.chosen);
  $("h-chart").textContent = S.chosen ? "Chart of " + S.chosen + (strategy ? ", " + strategy.strategy : "") : "Chart";
  const rows = S.bars.get(S.chosen) || [];
  const marks = [...S.fills.values()].filter((f) => f.symbol === S.chosen).map((f) => ({ ms: Date.parse(f.at), side: f.side }));
  const lines = p ? [["stop", p.stop_usd, "--bad"], ["take profit", p.take_profit_usd, "--good"], ["average", p.held_shares ? p.average_price_usd && Number(p.average_price_usd).toFixed(4) : null, "--dim"]]
    .filter(([, at]) => at !== null && at !== undefined).map(([name, at, color]) => ({ name, at: Number(at), color })) : [];
  candles.set(S.chosen, rows, marks, lines, S.chosen ? indicators(rows, S.chosen) : []);
};
const equity = () => equityCurve.set(curve(), Number($("equity-range").value));
const matches = (text, words) => words.toLowerCase().split(/\s+/).every((word) => text.toLowerCase().includes(word));
const ordersShown = () => [...S.orders.values()].filter((o) => (!$("orders-live").checked || o.is_live) && matches([o.symbol, o.role, o.state, o.side, o.order_type, o.intent].join(" "), $("orders-filter").value)).reverse();
const fillsShown = () => [...S.fills.values()].filter((f) => matches([f.symbol, f.side, f.role, f.intent].join(" "), $("fills-filter").value)).reverse();
// A stop that becomes a limit order has two prices; one that follows may have none yet.
const priced = (o) => [o.trigger_usd, o.limit_usd].filter((at) => at !== null).join(" / ") || (o.trail_pct ? "trails " + o.trail_pct + " %" : "market");
const orders = () => {
  const rows = ordersShown();
  $("orders-count").textContent = S.open ? "(" + rows.length + ")" : "";
  if (!rows.length) { put("orders", row(10, !S.open ? awaited() : S.orders.size ? "none of these" : "none yet")); return; }
  put("orders", rows.slice(0, 200).map((o) => {
    const life = el("details", { open: S.opened.has(o.intent), ontoggle: (e) => (e.target.open ? S.opened.add(o.intent) : S.opened.delete(o.intent)) }, el("summary", { "data-focus": "life-" + o.intent }, o.life.length ? o.life[o.life.length - 1].what : ""),
      el("ul", { class: "list" }, o.life.map((s) => el("li", {}, when(s.at) + " " + s.what + (s.note ? ": " + s.note : "")))));
    const cancel = o.is_live && o.role !== "stop" ? el("button", { type: "button", class: "mini quiet", "data-focus": "cancel-" + o.intent, onclick: () => ask("cancel", o) }, "Cancel") : "";
    return el("tr", {}, el("td", {}, when(o.at)), el("td", { class: "n" }, o.intent), el("td", {}, o.symbol), el("td", {}, o.role), el("td", {}, o.side + " " + o.quantity_shares + " " + o.order_type + " " + o.tif),
      el("td", { class: "n" }, o.filled_shares), el("td", { class: "n" }, priced(o)),
      el("td", { class: o.state === "rejected" || o.state === "unknown" ? "bad" : o.state === "filled" ? "good" : "" }, o.state), el("td", { class: "words" }, life), el("td", {}, cancel));
  }));
};
const fills = () => {
  const rows = fillsShown();
  $("fills-count").textContent = S.open ? "(" + rows.length + ")" : "";
  if (!rows.length) { put("fills", row(8, !S.open ? awaited() : S.fills.size ? "none of these" : "none yet")); return; }
  put("fills", rows.slice(0, 200).map((f) => el("tr", {}, el("td", {}, when(f.at)), el("td", {}, f.symbol), el("td", { class: f.side === "BUY" ? "good" : "bad" }, f.side), el("td", {}, f.role || unknown),
    el("td", { class: "n" }, f.quantity_shares), el("td", { class: "n" }, f.price_usd), el("td", { class: "n" }, price(f.commission_usd)), el("td", { class: "n" }, f.intent))));
};
const waiting = () => (S.connection ? S.connection.halts_waiting : []);
const notes = () => {
  const none = (text) => el("li", { class: "dim" }, text);
  // Before there is a ledger halts wait for it, and of locks nothing more is known.
  put("locks", waiting().map((halt) => el("li", {}, el("b", {}, "a halt waits"), " " + halt + ". Ends: resume")),
    !S.locks ? none(awaited()) : S.locks.length ? S.locks.map((l) => el("li", {}, el("b", {}, l.what), " " + l.why + ". Ends: " + l.ends)) : waiting().length ? [] : none("none: entries are allowed"));
  put("refusals", !S.refusals ? none(awaited()) : S.refusals.length ? S.refusals.slice(-50).reverse().map((r) => el("li", {}, when(r.at) + " ", el("b", {}, r.symbol || ""), " " + r.change_shares + " shares: " + r.text)) : none("none"));
  put("incidents", !S.incidents ? none(awaited()) : S.incidents.length ? S.incidents.slice(-50).reverse().map((i) => el("li", {}, when(i.at) + " ", el("b", {}, i.name), " " + i.text)) : none("none"));
};
const log = () => {
  const rank = { ERROR: 0, WARN: 1, INFO: 2 };
  const rows = S.log.filter((l) => rank[l.level] <= rank[$("log-level").value] && matches(l.message + " " + l.fields, $("log-filter").value));
  put("log", rows.slice(-150).reverse().map((l) => el("li", { class: l.level }, when(l.at) + " " + l.level + " " + l.message + (l.fields ? "  " + l.fields : ""))));
};
// A part is drawn anew only where something of it has moved: what is selected or open in it stays.
const drawn = new Map();
const part = (name, draws, ...of) => {
  const key = of.join();
  if (drawn.get(draws) !== key && guarded(name, draws)) drawn.set(draws, key);
};
const draw = () => {
  const m = (...kinds) => kinds.concat("snapshot").map((kind) => moved[kind] || 0).join();
  guarded("header", header);
  guarded("health", health);
  part("account", money, m("account"));
  part("limits", limits, m("account"));
  // While market time stands, ages alone move.
  const stands = Math.floor((performance.now() - market.came) / 4000);
  part("symbols", positions, m("account", "position", "bar"), S.chosen, moved.history, stands);
  part("orders", orders, m("order"), $("orders-filter").value, $("orders-live").checked);
  part("fills", fills, m("fill"), $("fills-filter").value);
  part("notes", notes, m("lock", "refusal", "incident"), ...waiting());
  part("log", log, m("log"), $("log-filter").value, $("log-level").value, moved.history);
  guarded("equity curve", equity);
  guarded("chart", chart);
};

// ---- CSV: what is shown, whole.
const csv = (name, rows, columns) => {
  // A cell that begins like a formula is made text for spreadsheets.
  const cell = (v) => { const t = v === null || v === undefined ? "" : String(v); return '"' + (/^[=+@]/.test(t) ? "'" : "") + t.replaceAll('"', '""') + '"'; };
  const text = [columns.join(","), ...rows.map((row) => columns.map((c) => cell(row[c])).join(","))].join("\r\n");
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
};
$("orders-csv").addEventListener("click", () => csv("orders.csv", ordersShown(), ["at", "intent", "order_ref", "symbol", "strategy", "role", "side", "quantity_shares", "filled_shares", "order_type", "tif", "limit_usd", "trigger_usd", "reference_usd", "state", "note"]));
$("fills-csv").addEventListener("click", () => csv("fills.csv", fillsShown(), ["at", "execution", "symbol", "side", "role", "quantity_shares", "price_usd", "commission_usd", "intent"]));
for (const id of ["equity-range", "orders-filter", "orders-live", "fills-filter", "log-filter", "log-level"]) $(id).addEventListener("input", draw);

// ---- Commands: each is confirmed, and needs the token.
const QUESTIONS = {
  halt: ["Halt", "No entries from now on. Exits and protective stops go on."],
  resume: ["Resume", "Entries again. Locks that set themselves need a reason."],
  flatten: ["Flatten", "Entries are blocked, our orders cancelled, our positions closed at the market.", "flatten"],
  cancel: ["Cancel", "This order is cancelled. It may still fill until the broker confirms."],
  token: ["Token", "It is kept in this tab only, until the tab is closed."],
};
let asked = null;
const ask = (what, order) => {
  const [title, text, word] = QUESTIONS[what];
  asked = { what, order, word };
  $("ask-title").textContent = title + (order ? " order " + order.intent : "");
  $("ask-text").textContent = text;
  put("ask-symbol", el("option", { value: "" }, "every symbol"), [...S.positions.keys()].map((s) => el("option", { value: s }, s)));
  $("ask-symbol-row").hidden = what === "cancel" || what === "token";
  $("ask-reason-row").hidden = what === "token";
  $("ask-word-row").hidden = !word;
  $("ask-word-what").textContent = word || "";
  $("ask-token-row").hidden = what !== "token" && stored() !== "";
  for (const id of ["ask-reason", "ask-word", "ask-token"]) $(id).value = "";
  $("ask-answer").textContent = "";
  $("ask-answer").className = "";
  $("ask-yes").textContent = what === "token" ? "Keep" : title;
  $("ask-yes").className = what === "flatten" ? "danger" : "";
  $("ask-yes").disabled = false;
  $("ask").showModal();
};
const answer = (text, good) => { $("ask-answer").textContent = text; $("ask-answer").className = good ? "good" : "bad"; };
// Once: while it is on its way, and after it was done, the dialog says it no more.
const go = async () => {
  if ($("ask-yes").disabled) return;
  const mine = asked;
  const { what, order, word } = mine;
  if (word && $("ask-word").value.trim().toLowerCase() !== word) { answer("Type " + word + " to confirm.", false); return; }
  if ($("ask-token").value.trim()) sessionStorage.setItem("token", $("ask-token").value.trim());
  if (what === "token") { $("ask").close(); if (S.socket) S.socket.close(); return; }
  const body = { reason: $("ask-reason").value };
  if (order) body.intent = order.intent; else if ($("ask-symbol").value) body.symbol = $("ask-symbol").value;
  $("ask-yes").disabled = true;
  // Whoever asks something else meanwhile gets no answer to this.
  const tell = (text, good) => {
    if (asked !== mine) return;
    answer(text, good);
    $("ask-yes").disabled = good;
    if (good) $("ask-no").focus();
  };
  try {
    const reply = await fetch("/api/v1/commands/" + what, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", Authorization: "Bearer " + stored() } });
    const said = await reply.json();
    if (reply.status === 401) { sessionStorage.removeItem("token"); if (asked === mine) $("ask-token-row").hidden = false; }
    tell(said.text || said.error || String(reply.status), reply.ok);
  } catch (error) { tell("The daemon did not answer: whether it was done is not known. Look before you say it again.", false); }
};
$("ask-yes").addEventListener("click", go);
$("ask-no").addEventListener("click", () => $("ask").close());
$("ask").addEventListener("keydown", (e) => { if (e.key === "Enter" && e.target.tagName === "INPUT") { e.preventDefault(); go(); } });
for (const what of ["halt", "resume", "flatten", "token"]) $(what).addEventListener("click", () => ask(what));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
setInterval(() => { if (S.connection && S.connection.next_attempt_at) guarded("health", health); }, 1000);
draw();
connect();
