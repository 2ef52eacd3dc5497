-- The same five orders from a JSON array.
SET postback.event_source = 'web';
SET postback.event_source_id = 'CPOSTBACKTESTS000001';
SET postback.default_region = 'GB';
SET postback.as_of = '2025-12-07T12:00:00Z';

SELECT
  'Purchase'   AS event,
  order_id     AS order_id,
  ordered_at   AS timestamp,
  email        AS email,
  phone        AS phone,
  customer_id  AS external_id,
  zip          AS zip_code,
  'GBP'        AS currency,
  total        AS value,
  items        AS num_items,
  note         AS description,
  'https://shop.example/orders/' || order_id AS page_url
FROM 'orders.json'
