-- CRM signals: a lead from a TikTok instant form bought something, so that the CRM calls it qualified.
--
-- The lead id is the one TikTok gave the lead; it comes with every form answer and is required. There is no order id
-- here, so that the event_id is derived from the event, the identity and the time.
SET postback.event_source = 'crm';
SET postback.event_source_id = '7309876543210987654';  -- the CRM event set
SET postback.timezone = 'America/Los_Angeles';
SET postback.as_of = '2025-07-21T00:00:00Z';

SELECT
  'Qualified'                                    AS event,      -- CRM events may have names of your own
  '7400000000000' || lpad(c.customer_id, 6, '0') AS lead_id,    -- Chinook has no TikTok leads: made up, but stable
  'Chinook CRM'                                  AS lead_event_source,
  i.invoice_date                                 AS timestamp,
  c.email                                        AS email,
  c.phone                                        AS phone,
  c.customer_id                                  AS external_id
FROM 'data/chinook/invoices.parquet' i
JOIN 'data/chinook/customers.csv' c ON c.customer_id = CAST(i.customer_id AS VARCHAR)
WHERE i.invoice_date >= TIMESTAMP '2025-07-01T00:00:00'
  AND i.invoice_date <  TIMESTAMP '2025-07-21T00:00:00'
