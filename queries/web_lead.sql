-- Web leads: a customer leaves an address in the newsletter form of the receipt page.
--
-- Web events take more identity than offline ones: names, place and postal code, each in the form TikTok asks for.
-- The request's IP address and user agent, the click id (`ttclid`) and the pixel's cookie (`ttp`) match best of all;
-- Chinook has none of them, a web shop's log does.
SET postback.event_source = 'web';
SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';  -- the pixel code
SET postback.timezone = 'America/Los_Angeles';
SET postback.as_of = '2025-08-21T00:00:00Z';

WITH countries (name, code) AS (
  VALUES ('USA', 'US'), ('Brazil', 'BR'), ('Ireland', 'IE'), ('Netherlands', 'NL'), ('Spain', 'ES'),
         ('United Kingdom', 'GB')
)
SELECT
  'Lead'                               AS event,
  -- If a pixel reports the form as well, return the id the pixel sends: TikTok then counts the two as one.
  event_id('newsletter', CAST(i.invoice_id AS VARCHAR)) AS event_id,
  i.invoice_date                       AS timestamp,
  c.email                              AS email,
  c.phone                              AS phone,
  c.customer_id                        AS external_id,
  c.first_name                         AS first_name,
  c.last_name                          AS last_name,
  c.city                               AS city,
  c.state                              AS state,
  k.code                               AS country,     -- two letters; a country not listed above is left out
  c.postal_code                        AS zip_code,
  'https://chinook.example/receipts/' || CAST(i.invoice_id AS VARCHAR) || '?form=newsletter' AS page_url,
  'https://chinook.example/checkout'   AS referrer_url
FROM 'data/chinook/invoices.parquet' i
JOIN 'data/chinook/customers.csv' c ON c.customer_id = CAST(i.customer_id AS VARCHAR)
LEFT JOIN countries k               ON k.name = c.country
WHERE i.invoice_date >= TIMESTAMP '2025-08-01T00:00:00'
  AND i.invoice_date <  TIMESTAMP '2025-09-01T00:00:00'
