-- Store purchases with their items: one row per invoice line, folded into one event per invoice.
--
-- Sent as they are, the lines of an invoice would share one event_id, and TikTok would keep the first and drop the
-- rest. `fold` gathers them into the event's `contents`; the value is the sum of price × quantity.
-- The event ids are those of store_purchases.sql: run one of the two, not both.
SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.timezone = 'America/Los_Angeles';
SET postback.as_of = '2025-12-23T00:00:00Z';
SET postback.fold = 'contents';

SELECT
  -- The event: the same on every line of an invoice.
  'Purchase'        AS event,
  i.invoice_id      AS order_id,
  i.invoice_date    AS timestamp,
  c.email           AS email,
  e164(c.phone)     AS phone,      -- NULL, hence absent, unless the number is valid
  'USD'             AS currency,
  i.billing_country AS shop_id,
  'in_store'        AS event_channel,
  -- The item: one per line.
  t.track_id        AS content_id,
  t.track           AS content_name,
  t.genre           AS content_category,
  t.artist          AS brand,
  l.unit_price      AS price,
  l.quantity        AS quantity
FROM 'data/chinook/invoices.parquet' i
JOIN 'data/chinook/invoice_lines.parquet' l ON l.invoice_id = i.invoice_id
JOIN 'data/chinook/tracks.csv' t            ON t.track_id = CAST(l.track_id AS VARCHAR)
LEFT JOIN 'data/chinook/customers.csv' c    ON c.customer_id = CAST(i.customer_id AS VARCHAR)
