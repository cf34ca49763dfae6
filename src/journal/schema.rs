//! The journal's tables, and the views by which people read them.

/// The version this program writes (`PRAGMA user_version`).
pub(super) const VERSION: i64 = 1;

/// Marks the file as ours (`PRAGMA application_id`, "robt").
pub(super) const APPLICATION_ID: i64 = 0x726f_6274;

/// Version 1. No index beside the key: only people ask by kind, for whom a walk through the whole is quick enough, and
/// each batch would write the index, too, before its orders may leave. (Journals that have one keep it.)
pub(super) const CREATE: &str = r"
CREATE TABLE facts (
    seq         INTEGER PRIMARY KEY,
    at          TEXT NOT NULL,   -- market time, UTC
    recorded_at TEXT NOT NULL,   -- wall time, UTC
    account     TEXT NOT NULL,
    strategy    TEXT,
    symbol      TEXT,
    con_id      INTEGER,
    kind        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    body        TEXT NOT NULL    -- JSON, decimals as text
) STRICT;

CREATE VIEW orders AS
WITH intended AS (
    SELECT seq, at, strategy, symbol, con_id, kind,
           json_extract(body, '$.ticket.order_ref') AS order_ref,
           CAST(substr(json_extract(body, '$.ticket.order_ref'),
                length(rtrim(json_extract(body, '$.ticket.order_ref'), '0123456789')) + 1) AS INTEGER) AS intent,
           json_extract(body, '$.ticket') AS ticket
    FROM facts WHERE kind IN ('order.intended', 'order.adopted', 'order.observed')
), changed AS (
    SELECT json_extract(body, '$.intent') AS intent,
           json_extract(body, '$.event') AS event,
           json_extract(body, '$.note') AS note, at,
           row_number() OVER (PARTITION BY json_extract(body, '$.intent') ORDER BY seq DESC) AS newest
    FROM facts WHERE kind = 'order.changed'
)
SELECT intended.seq, intended.at, order_ref, intended.intent, strategy, symbol, con_id,
       json_extract(ticket, '$.role') AS role,
       json_extract(ticket, '$.side') AS side,
       json_extract(ticket, '$.quantity') AS quantity,
       json_extract(ticket, '$.kind') AS terms,
       json_extract(ticket, '$.tif') AS tif,
       CASE kind WHEN 'order.observed' THEN 'Observed' ELSE coalesce(event, 'Sent') END AS last_event,
       coalesce(changed.at, intended.at) AS last_at, note
FROM intended LEFT JOIN changed ON changed.intent = intended.intent AND changed.newest = 1
     AND intended.kind <> 'order.observed';

CREATE VIEW fills AS
WITH executed AS (
    SELECT seq, symbol, con_id,
           json_extract(body, '$.intent') AS intent,
           json_extract(body, '$.execution.id') AS execution,
           rtrim(rtrim(json_extract(body, '$.execution.id'), '0123456789'), '.') AS stem,
           json_extract(body, '$.execution.at') AS at,
           json_extract(body, '$.execution.side') AS side,
           json_extract(body, '$.execution.quantity') AS quantity,
           json_extract(body, '$.execution.price') AS price
    FROM facts WHERE kind = 'fill.executed'
), costed AS (
    SELECT rtrim(rtrim(json_extract(body, '$.commission.execution'), '0123456789'), '.') AS stem,
           json_extract(body, '$.commission.amount') AS commission, seq
    FROM facts WHERE kind = 'fill.costed'
)
SELECT seq, at, symbol, con_id, intent, execution, side, quantity, price,
       (SELECT commission FROM costed WHERE costed.stem = executed.stem ORDER BY costed.seq DESC LIMIT 1) AS commission
FROM executed
WHERE seq = (SELECT max(later.seq) FROM executed AS later WHERE later.stem = executed.stem);

CREATE VIEW positions AS
SELECT symbol, con_id,
       sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) AS quantity,
       count(*) AS fills, max(at) AS last_fill
FROM fills GROUP BY con_id;

CREATE VIEW refusals AS
SELECT seq, at, strategy, symbol,
       json_extract(body, '$.change') AS change,
       json_extract(body, '$.refusal.name') AS name,
       json_extract(body, '$.refusal') AS refusal
FROM facts WHERE kind = 'refused';

CREATE VIEW incidents AS
SELECT seq, at, recorded_at, symbol, kind,
       CASE kind WHEN 'incident' THEN json_extract(body, '$.name') ELSE kind END AS name,
       CASE kind WHEN 'incident' THEN json_extract(body, '$.text') ELSE json_extract(body, '$.why') END AS text
FROM facts WHERE kind IN ('incident', 'session.lost', 'lock.set', 'lock.cleared')
  AND coalesce(json_extract(body, '$.why'), '') <> 'shut down';
";
