// What the page knows: the feed's snapshot with its deltas folded in. The document is not touched here.

export const S = { log: [], bars: new Map(), equity: [], stride: 1, strategies: new Map(), opened: new Set(), chosen: null, boot: null, seq: null, heard: 0, socket: null, wait: 500 };
// Open: a ledger is, by the snapshot that came with it. Before that nothing of it is known, and nothing is not none.
const clear = () => Object.assign(S, { open: false, connection: null, account: null, positions: new Map(), locks: null, orders: new Map(), fills: new Map(),
  targets: new Map(), refusals: null, incidents: null, now: null });
clear();

const stem = (id) => id.slice(0, id.lastIndexOf(".") < 0 ? id.length : id.lastIndexOf("."));
const keep = (list, item, most) => { list.push(item); if (list.length > most) list.splice(0, list.length - most); };
const number = (text) => (text === null || text === undefined ? null : Number(text));
// The equity curve is the API's, and goes on with the account; thinned as the daemon thins it, its beginning stays.
const POINTS = 4000;
export const curveOf = (rows) => {
  const newest = rows.length ? Date.parse(rows[rows.length - 1].at) : -Infinity;
  const newer = S.equity.filter((p) => p.ms > newest);
  S.stride = 1;
  S.equity = rows.map((p) => ({ ms: Date.parse(p.at), usd: Number(p.equity_usd), peak: number(p.peak_usd), restored: p.source !== "measured" })).concat(newer);
};
const point = (account) => {
  S.now = account.equity_usd === null ? null : { ms: Date.parse(account.market_time), usd: Number(account.equity_usd), peak: number(account.peak_usd), restored: false };
  const last = S.equity[S.equity.length - 1];
  if (S.now === null || last && S.now.ms - last.ms < account.bar_s * 1000 * S.stride) return;
  if (S.equity.length >= POINTS) { S.equity = S.equity.filter((_, i) => i % 2 === 0); S.stride *= 2; }
  S.equity.push(S.now);
};
// With what the account is now: the curve ends with the numbers that stand beside it.
export const curve = () => {
  const last = S.equity[S.equity.length - 1];
  return S.now && (!last || S.now.ms >= last.ms) ? S.equity.filter((p) => p.ms < S.now.ms).concat(S.now) : S.equity;
};
// As many as the daemon keeps, and the same: live orders stay, of the others the oldest go.
const ORDERS = 2000;
const NOTES = 1000;
const order = (row) => {
  S.orders.set(row.intent, row);
  if (S.orders.size <= ORDERS) return;
  let oldest = null;
  for (const [intent, known] of S.orders) if (!known.is_live && (oldest === null || intent < oldest)) oldest = intent;
  S.orders.delete(oldest);
  S.opened.delete(oldest);
};
const fill = (row) => {
  S.fills.set(stem(row.execution), row);
  if (S.fills.size > ORDERS) S.fills.delete(S.fills.keys().next().value);
};
// The API's lists, of which the snapshot holds the newest; what the feed has told meanwhile is newer.
export const older = (orders, fills) => {
  S.orders = new Map(orders.map((row) => [row.intent, row]).concat([...S.orders]));
  S.fills = new Map(fills.map((row) => [stem(row.execution), row]).concat([...S.fills]));
};
export const fold = {
  connection: (d) => { S.connection = d; }, account: (d) => { S.account = d; point(d); }, lock: (d) => { S.locks = d; },
  position: (d) => S.positions.set(d.symbol, d), order, fill,
  target: (d) => S.targets.set(d.symbol, d), refusal: (d) => keep(S.refusals ||= [], d, NOTES), incident: (d) => keep(S.incidents ||= [], d, NOTES),
  log: (d) => keep(S.log, d, NOTES),
  bar: (d, symbol) => { const bars = S.bars.get(symbol); if (bars && (!bars.length || bars[bars.length - 1].time_ms < d.time_ms)) keep(bars, d, 2000); },
};
export const snapshot = (data) => {
  clear();
  S.open = data.account !== null && data.orders !== null;
  S.connection = data.connection; S.account = data.account; if (S.account) point(S.account); S.locks = data.locks; S.refusals = data.refusals; S.incidents = data.incidents;
  for (const row of data.positions || []) S.positions.set(row.symbol, row);
  for (const row of data.orders || []) S.orders.set(row.intent, row);
  for (const row of data.fills || []) S.fills.set(stem(row.execution), row);
  for (const intent of [...S.opened]) if (!S.orders.has(intent)) S.opened.delete(intent);
  for (const row of data.targets || []) S.targets.set(row.symbol, row);
};
