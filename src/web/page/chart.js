// Canvas charts, by hand: candles with volume, marks and lines; a curve with its drawdown.

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fit = (canvas) => {
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  const [w, h] = [Math.max(1, Math.round(box.width)), Math.max(1, Math.round(box.height))];
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.font = "11px system-ui, sans-serif";
  return [pen, w, h];
};
export const clock = (ms, seconds) => {
  const d = new Date(ms);
  return Number.isNaN(d.getTime()) ? "" : d.toLocaleTimeString("en-GB", seconds ? {} : { hour: "2-digit", minute: "2-digit" });
};
export const day = (ms) => new Date(ms).toLocaleDateString("en-CA");
const nice = (low, high, count) => {
  const span = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(span));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= span) || span;
  const ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) ticks.push(at);
  return [ticks, Math.max(0, Math.min(6, -Math.floor(Math.log10(step))))];
};
// The bar within which something was, among bars that ascend: a bar's end is its own, and its beginning where no other
// bar ends there. -1: none.
export const barAt = (bars, ms) => {
  let [low, high] = [0, bars.length];
  while (low < high) { const mid = (low + high) >> 1; if (bars[mid].end_ms < ms) low = mid + 1; else high = mid; }
  return low < bars.length && bars[low].time_ms <= ms ? low : -1;
};

export class Candles {
  constructor(canvas, read) {
    this.canvas = canvas;
    this.read = read;
    this.bars = [];
    this.marks = [];
    this.lines = [];
    this.curves = [];
    this.shown = 120;
    this.back = 0;
    this.cross = null;
    // Fingers (or the mouse's button) that are down, and how the chart was when the last of them came or went.
    this.fingers = new Map();
    this.grip = null;
    const place = (e) => { const box = canvas.getBoundingClientRect(); return [e.clientX - box.left, e.clientY - box.top]; };
    canvas.addEventListener("wheel", (e) => {
      // The wheel is the page's, but with Ctrl (a pinch on a touch pad says so, too), or once the chart has the focus.
      if (!e.ctrlKey && !e.metaKey && document.activeElement !== canvas) return;
      e.preventDefault();
      this.zoom(e.deltaY > 0 ? 1.15 : 1 / 1.15, place(e)[0] / this.plot);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (e) => {
      if (this.fingers.size === 2 || e.button !== 0) return;
      this.fingers.set(e.pointerId, place(e)[0]);
      this.hold();
      canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener("pointermove", (e) => {
      this.cross = place(e);
      // A mouse whose button went up where nobody could see it.
      if (e.pointerType === "mouse" && e.buttons === 0) this.fingers.clear();
      if (this.fingers.has(e.pointerId)) { this.fingers.set(e.pointerId, this.cross[0]); this.pull(); }
      this.draw();
    });
    // Whichever way a finger goes: up, or because the browser scrolls the page with it.
    for (const gone of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(gone, (e) => { if (this.fingers.delete(e.pointerId)) this.hold(); });
    for (const out of ["pointerleave", "pointercancel"]) canvas.addEventListener(out, () => { this.cross = null; this.draw(); });
    canvas.addEventListener("keydown", (e) => {
      const acts = { ArrowLeft: "older", ArrowRight: "newer", "+": "in", "=": "in", "-": "out", Home: "all", End: "newest" };
      if (e.key === "Escape") canvas.blur();
      if (acts[e.key] && !e.ctrlKey && !e.metaKey && !e.altKey) { this.act(acts[e.key]); e.preventDefault(); }
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }
  // What keys and buttons do.
  act(what) {
    const step = Math.max(1, Math.round(this.shown / 10));
    const acts = { older: () => this.move(step), newer: () => this.move(-step), in: () => this.zoom(1 / 1.3), out: () => this.zoom(1.3),
      all: () => { this.shown = Math.max(10, this.bars.length); this.back = 0; }, newest: () => { this.back = 0; } };
    acts[what]();
    this.draw();
  }
  hold() {
    const at = [...this.fingers.values()];
    this.grip = at.length ? { at: (at[0] + at[at.length - 1]) / 2, apart: Math.abs(at[0] - at[at.length - 1]), back: this.back, shown: this.shown } : null;
  }
  // The bar under the finger, or between two of them, stays there; two of them farther apart show fewer bars.
  pull() {
    const { at, apart, back, shown } = this.grip;
    const now = [...this.fingers.values()];
    const middle = (now[0] + now[now.length - 1]) / 2;
    if (now.length === 2) this.shown = this.bounded(shown * Math.max(20, apart) / Math.max(20, Math.abs(now[0] - now[1])));
    this.back = 0;
    this.move(Math.round(back + shown * (1 - at / this.plot) - this.shown * (1 - middle / this.plot)));
  }
  get plot() { return Math.max(1, this.canvas.getBoundingClientRect().width - 62); }
  bounded(shown) { return Math.round(Math.min(Math.max(10, shown), Math.max(30, this.bars.length))); }
  // The bar at this part of the width stays where it is.
  zoom(by, part = 1) {
    const before = this.shown;
    this.shown = this.bounded(before * by);
    this.move(Math.round((before - this.shown) * (1 - Math.min(1, part))));
    this.draw();
  }
  // Some bars stay in view, however few there are.
  move(by) { this.back = Math.min(Math.max(0, this.back + by), Math.max(0, this.bars.length - 10)); }
  set(name, bars, marks, lines, curves) {
    // Who looks back keeps looking at the same bars, and begins another symbol at its newest.
    if (name !== this.name) this.back = 0;
    else if (this.back > 0 && this.bars.length && bars.length) {
      const newest = this.bars[this.bars.length - 1].time_ms;
      this.back += bars.filter((b) => b.time_ms > newest).length;
    }
    [this.name, this.bars, this.marks, this.lines, this.curves] = [name, bars, marks, lines, curves];
    // There may be fewer bars than before: another symbol's, or a daemon's that has just begun.
    this.move(0);
    this.draw();
  }
  draw() {
    const [pen, w, h] = fit(this.canvas);
    const bars = this.bars;
    const end = bars.length - this.back;
    const from = Math.max(0, end - this.shown);
    const seen = bars.slice(from, end);
    Object.assign(this.canvas.dataset, { seen: seen.length, back: this.back, shown: this.shown });
    if (!seen.length) {
      pen.fillStyle = css("--dim");
      pen.fillText("no bars yet", 12, 20);
      Object.assign(this.canvas.dataset, { fills: 0, curves: "" });
      this.read("");
      return;
    }
    const [right, foot] = [62, 18];
    const pw = w - right;
    // Indicators that are no prices have a part of their own, below the candles.
    const below = this.curves.filter((c) => c.pane === "own");
    const own = below.length ? Math.round(h * 0.22) : 0;
    const ph = h - foot - own;
    const vh = ph * 0.18;
    const [low0, high0] = seen.reduce(([l, g], b) => [Math.min(l, b.low_usd), Math.max(g, b.high_usd)], [Infinity, -Infinity]);
    const span = high0 - low0 || high0 * 0.01 || 1;
    // A stop that is far away does not press the candles flat.
    const near = this.lines.map((l) => l.at).filter((at) => at > low0 - span && at < high0 + span);
    const low = Math.min(low0, ...near) - span * 0.05;
    const high = Math.max(high0, ...near) + span * 0.08;
    const step = pw / this.shown;
    const first = this.shown - seen.length;
    const x = (i) => (first + i + 0.5) * step;
    const y = (p) => 6 + (1 - (p - low) / (high - low)) * (ph - vh - 12);
    const [ticks, digits] = nice(low, high, 6);
    pen.strokeStyle = css("--line"); pen.fillStyle = css("--dim"); pen.lineWidth = 1;
    for (const t of ticks) {
      pen.beginPath(); pen.moveTo(0, Math.round(y(t)) + 0.5); pen.lineTo(pw, Math.round(y(t)) + 0.5); pen.stroke();
      pen.fillText(t.toFixed(digits), pw + 6, y(t) + 4);
    }
    const every = Math.max(1, Math.ceil(70 / step));
    let edge = Infinity;
    for (let i = seen.length - 1; i >= 0; i -= every) {
      const label = seen[i].end_ms - seen[i].time_ms >= 3600000 * 6 ? day(seen[i].time_ms) : clock(seen[i].time_ms, seen[i].end_ms - seen[i].time_ms < 60000);
      const lw = pen.measureText(label).width;
      const left = Math.min(x(i) - lw / 2, pw - lw);
      if (left > 0 && left + lw + 8 < edge) { pen.fillText(label, left, h - 4); edge = left; }
    }
    const most = seen.reduce((m, b) => Math.max(m, b.volume_shares || 0), 0);
    const [good, bad] = [css("--good"), css("--bad")];
    const body = Math.max(1, Math.min(14, step * 0.7));
    seen.forEach((b, i) => {
      const up = b.close_usd >= b.open_usd;
      pen.fillStyle = pen.strokeStyle = up ? good : bad;
      if (most) { pen.globalAlpha = 0.28; const bh = (b.volume_shares || 0) / most * vh; pen.fillRect(x(i) - body / 2, ph - bh, body, bh); pen.globalAlpha = 1; }
      pen.beginPath(); pen.moveTo(x(i), y(b.high_usd)); pen.lineTo(x(i), y(b.low_usd)); pen.stroke();
      const top = y(Math.max(b.open_usd, b.close_usd));
      pen.fillRect(x(i) - body / 2, top, body, Math.max(1, y(Math.min(b.open_usd, b.close_usd)) - top));
    });
    const line = (c, place) => {
      pen.strokeStyle = css(c.color); pen.lineWidth = 1.3; pen.beginPath();
      let on = false;
      c.values.slice(from, end).forEach((v, i) => { if (v === null) { on = false; return; } if (on) pen.lineTo(x(i), place(v)); else pen.moveTo(x(i), place(v)); on = true; });
      pen.stroke();
      pen.lineWidth = 1;
    };
    // Bands that leave the candles' range do not run into what is below.
    pen.save(); pen.beginPath(); pen.rect(0, 0, pw, ph); pen.clip();
    this.curves.filter((c) => c.pane !== "own").forEach((c) => line(c, y));
    pen.restore();
    if (below.length) {
      const values = below.flatMap((c) => c.values.slice(from, end)).filter((v) => v !== null);
      const [least, most] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
      const room = most - least || Math.abs(most) || 1;
      const place = (v) => ph + 8 + (1 - (v - least) / room) * (own - 14);
      pen.strokeStyle = css("--line"); pen.beginPath(); pen.moveTo(0, ph + 1.5); pen.lineTo(w, ph + 1.5); pen.stroke();
      pen.fillStyle = css("--dim");
      if (values.length) { pen.fillText(most.toPrecision(4), pw + 6, place(most) + 6); pen.fillText(least.toPrecision(4), pw + 6, place(least)); }
      below.forEach((c) => line(c, place));
    }
    this.canvas.dataset.curves = this.curves.filter((c) => c.values.slice(from, end).some((v) => v !== null)).map((c) => c.name).join();
    // What is too far away to be drawn is told at the edge that it is beyond.
    const beyond = { up: [], down: [] };
    for (const l of this.lines) {
      if (l.at < low || l.at > high) { beyond[l.at > high ? "up" : "down"].push(l.name + " " + l.at); continue; }
      pen.strokeStyle = pen.fillStyle = css(l.color); pen.setLineDash([6, 4]);
      pen.beginPath(); pen.moveTo(0, y(l.at)); pen.lineTo(pw, y(l.at)); pen.stroke(); pen.setLineDash([]);
      pen.fillText(l.name + " " + l.at, 6, y(l.at) - 4);
    }
    pen.fillStyle = css("--ink");
    if (beyond.up.length) pen.fillText("\u2191 " + beyond.up.join("   "), 6, 14);
    if (beyond.down.length) pen.fillText("\u2193 " + beyond.down.join("   "), 6, ph - vh - 4);
    this.canvas.dataset.beyond = beyond.up.concat(beyond.down).join();
    this.fills(pen, seen, x, y, good, bad);
    this.pointer(pen, seen, { pw, ph, w, h, low, high, vh, step, first, x, y, digits, from });
  }
  fills(pen, seen, x, y, good, bad) {
    let drawn = 0;
    for (const m of this.marks) {
      const i = barAt(seen, m.ms);
      if (i < 0) continue;
      const buy = m.side === "BUY";
      const at = buy ? y(seen[i].low_usd) + 12 : y(seen[i].high_usd) - 12;
      const s = buy ? 6 : -6;
      pen.fillStyle = buy ? good : bad; pen.strokeStyle = css("--card");
      pen.beginPath(); pen.moveTo(x(i), at - s); pen.lineTo(x(i) - 5, at + s * 0.7); pen.lineTo(x(i) + 5, at + s * 0.7); pen.closePath(); pen.fill(); pen.stroke();
      drawn += 1;
    }
    this.canvas.dataset.fills = drawn;
  }
  pointer(pen, seen, g) {
    const at = this.cross && this.cross[0] < g.pw ? Math.min(seen.length - 1, Math.max(0, Math.floor(this.cross[0] / g.step) - g.first)) : seen.length - 1;
    const b = seen[at];
    if (this.cross && this.cross[0] < g.pw && this.cross[1] < g.ph) {
      pen.strokeStyle = css("--dim"); pen.setLineDash([3, 3]);
      pen.beginPath(); pen.moveTo(g.x(at), 0); pen.lineTo(g.x(at), g.ph); pen.moveTo(0, this.cross[1]); pen.lineTo(g.pw, this.cross[1]); pen.stroke(); pen.setLineDash([]);
      const price = g.low + (1 - (this.cross[1] - 6) / (g.ph - g.vh - 12)) * (g.high - g.low);
      pen.fillStyle = css("--ink"); pen.fillRect(g.pw + 2, this.cross[1] - 8, 60, 16);
      pen.fillStyle = css("--card"); pen.fillText(price.toFixed(Math.max(2, g.digits)), g.pw + 6, this.cross[1] + 4);
    }
    const curves = this.curves.map((c) => [c.name, c.values[g.from + at]]).filter(([, v]) => v !== null && v !== undefined).map(([n, v]) => n + " " + v.toFixed(2));
    this.read([day(b.time_ms) + " " + clock(b.time_ms, true), "O " + b.open_usd, "H " + b.high_usd, "L " + b.low_usd, "C " + b.close_usd,
      "V " + (b.volume_shares === null ? "unknown" : b.volume_shares)].concat(curves).join("   "));
  }
}

export class Curve {
  constructor(canvas, read) {
    [this.canvas, this.read, this.points, this.cross] = [canvas, read, [], null];
    canvas.addEventListener("pointermove", (e) => { this.cross = e.clientX - canvas.getBoundingClientRect().left; this.draw(); });
    canvas.addEventListener("pointerleave", () => { this.cross = null; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }
  // Of the points, the last `range` milliseconds; all of them with 0.
  set(points, range) {
    const from = range && points.length ? points[points.length - 1].ms - range : -Infinity;
    this.points = points.filter((q) => q.ms >= from);
    this.draw();
  }
  draw() {
    const [pen, w, h] = fit(this.canvas);
    const p = this.points;
    Object.assign(this.canvas.dataset, { points: p.length, restored: p.filter((q) => q.restored).length });
    if (p.length < 2) { pen.fillStyle = css("--dim"); pen.fillText("the equity curve begins with the first bars", 8, 18); this.read(""); return; }
    const [right, foot] = [70, 16];
    const pw = w - right;
    const split = (h - foot) * 0.74;
    const values = p.map((q) => q.usd);
    // The loss since the account's height, to a millionth as the account itself has it; unknown where the height is.
    const falls = p.map((q) => (q.peak > 0 ? Math.round(Math.max(0, (q.peak - q.usd) / q.peak) * 1e6) / 1e6 : null));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = (high - low || high * 0.001 || 1) * 0.06;
    const [first, last] = [p[0].ms, p[p.length - 1].ms];
    const x = (i) => (last > first ? (p[i].ms - first) / (last - first) * pw : pw);
    const y = (v) => 4 + (1 - (v - low + pad) / (high - low + 2 * pad)) * (split - 8);
    const [ticks, digits] = nice(low - pad, high + pad, 4);
    pen.strokeStyle = css("--line"); pen.fillStyle = css("--dim");
    for (const t of ticks) { pen.beginPath(); pen.moveTo(0, Math.round(y(t)) + 0.5); pen.lineTo(pw, Math.round(y(t)) + 0.5); pen.stroke(); pen.fillText(t.toFixed(digits), pw + 6, y(t) + 4); }
    // What is between restored points nobody knows: dashes.
    pen.strokeStyle = pen.fillStyle = css("--accent"); pen.lineWidth = 1.5;
    for (const dashed of [false, true]) {
      pen.setLineDash(dashed ? [3, 4] : []);
      pen.beginPath();
      for (let i = 1; i < p.length; i += 1) if ((p[i].restored || p[i - 1].restored) === dashed) { pen.moveTo(x(i - 1), y(values[i - 1])); pen.lineTo(x(i), y(values[i])); }
      pen.stroke();
    }
    pen.setLineDash([]); pen.lineWidth = 1;
    p.forEach((q, i) => { if (q.restored) pen.fillRect(x(i) - 1.5, y(q.usd) - 1.5, 3, 3); });
    const known = falls.filter((f) => f !== null);
    const worst = Math.max(...known, 1e-9);
    const depth = h - foot - split - 4;
    const floor = split + 2;
    pen.fillStyle = css("--bad"); pen.globalAlpha = 0.4;
    // One path for all of it: pieces that are filled one by one show their seams.
    pen.beginPath();
    falls.forEach((f, i) => {
      if (f === null) return;
      if (p[i].restored) { pen.rect(x(i) - 1, floor, 2, f / worst * depth); return; }
      if (i === 0 || p[i - 1].restored || falls[i - 1] === null) return;
      pen.moveTo(x(i - 1), floor); pen.lineTo(x(i - 1), floor + falls[i - 1] / worst * depth);
      pen.lineTo(x(i), floor + f / worst * depth); pen.lineTo(x(i), floor); pen.closePath();
    });
    pen.fill();
    pen.globalAlpha = 1;
    const percent = (f) => (f === null ? "unknown" : (f * 100).toFixed(3) + " %");
    pen.fillStyle = css("--dim"); pen.fillText(known.length ? "-" + percent(Math.max(...known)) : "unknown", pw + 6, h - foot);
    const label = (ms) => day(ms) + " " + clock(ms);
    pen.fillText(label(first), 0, h - 3);
    pen.fillText(label(last), pw - pen.measureText(label(last)).width, h - 3);
    if (this.cross !== null) {
      // Beside the curve its end is read.
      const at = first + Math.min(1, this.cross / pw) * (last - first);
      const i = p.reduce((near, q, j) => (Math.abs(q.ms - at) <= Math.abs(p[near].ms - at) ? j : near), 0);
      pen.strokeStyle = css("--dim"); pen.setLineDash([3, 3]); pen.beginPath(); pen.moveTo(x(i), 0); pen.lineTo(x(i), h - foot); pen.stroke(); pen.setLineDash([]);
      this.read(label(p[i].ms) + "   equity " + p[i].usd.toFixed(2) + " USD   drawdown " + percent(falls[i]) + (p[i].restored ? "   from the journal" : ""));
    } else {
      this.read("Equity, and below it the loss since the account's height."
        + (this.canvas.dataset.restored > 0 ? " Squares and dashes: from the journal, which knows beginnings of days and heights only." : ""));
    }
  }
}
