-- Store purchases: one row per invoice, one event per invoice.
--
--   postback run queries/store_purchases.sql --sandbox
--
-- Only invoices of the 28 days before `as_of` are sent; older ones are counted as out of window, because TikTok
-- neither matches nor reports them. Drop `as_of` in a copy of this file and the window ends now.
SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';  -- the offline event set, as in Events Manager
SET postback.timezone = 'America/Los_Angeles';         -- invoice_date has no zone: this is the tills' one
SET postback.as_of = '2025-12-23T00:00:00Z';           -- "now" for every time rule, so that the result never changes

SELECT
  'Purchase'        AS event,
  i.invoice_id      AS order_id,   -- the event_id is derived from it, so the same invoice always has the same id
  i.invoice_date    AS timestamp,
  c.email           AS email,      -- trimmed, lower-cased and hashed before it leaves the machine
  c.phone           AS phone,      -- brought to E.164 and hashed; a doubtful one is sent with a warning
  i.total           AS value,
  'USD'             AS currency,
  i.billing_country AS shop_id,    -- Chinook has one store per country
  'in_store'        AS event_channel
FROM 'data/chinook/invoices.parquet' i
LEFT JOIN 'data/chinook/customers.csv' c
  ON c.customer_id = CAST(i.customer_id AS VARCHAR)  -- ids in CSV files are text, so that leading zeros survive
