// What the page knows: the feed's snapshot with its deltas folded in. The document is not touched here.

export const S = { log: [], bars: new Map(), equity: [], strategies: new Map(), chosen: null, boot: null, seq: null, heard: 0, socket: null, wait: 500 };
const clear = () => Object.assign(S, { connection: null, account: null, positions: new Map(), locks: [], orders: new Map(), fills: new Map(),
  targets: new Map(), refusals: [], incidents: [] });
clear();

const stem = (id) => id.slice(0, id.lastIndexOf(".") < 0 ? id.length : id.lastIndexOf("."));
const keep = (list, item, most) => { list.push(item); if (list.length > most) list.splice(0, list.length - most); };
const point = (account) => {
  if (account.equity_usd === null) return;
  const ms = Date.parse(account.market_time);
  const last = S.equity[S.equity.length - 1];
  if (!last || ms - last.ms >= account.bar_s * 1000) keep(S.equity, { ms, usd: Number(account.equity_usd) }, 8000);
};
export const fold = {
  connection: (d) => { S.connection = d; }, account: (d) => { S.account = d; point(d); }, lock: (d) => { S.locks = d; },
  position: (d) => S.positions.set(d.symbol, d), order: (d) => S.orders.set(d.intent, d), fill: (d) => S.fills.set(stem(d.execution), d),
  target: (d) => S.targets.set(d.symbol, d), refusal: (d) => keep(S.refusals, d, 500), incident: (d) => keep(S.incidents, d, 500),
  log: (d) => keep(S.log, d, 500),
  bar: (d, symbol) => { const bars = S.bars.get(symbol); if (bars && (!bars.length || bars[bars.length - 1].time_ms < d.time_ms)) keep(bars, d, 2000); },
};
export const snapshot = (data) => {
  clear();
  S.connection = data.connection; S.account = data.account; S.locks = data.locks; S.refusals = data.refusals; S.incidents = data.incidents;
  for (const row of data.positions) S.positions.set(row.symbol, row);
  for (const row of data.orders) S.orders.set(row.intent, row);
  for (const row of data.fills) S.fills.set(stem(row.execution), row);
  for (const row of data.targets) S.targets.set(row.symbol, row);
};
