-- The query of Amperity's documentation for TikTok offline events, against the Chinook tables: the columns and their
-- names are Amperity's, only the tables are ours. Two things are put right: `mc.email` was quoted, and so a text, and
-- the phone got a fixed '+1', which is wrong outside North America.
SET postback.event_source = 'offline';
SET postback.timezone = 'America/Los_Angeles';
SET postback.as_of = '2025-12-23T00:00:00Z';
SET postback.fold = 'contents';  -- the query returns one row per item, all items of an order with the order's event_id

CREATE VIEW itemized_transactions AS
SELECT
  CAST(i.invoice_id AS VARCHAR)  AS order_id,
  CAST(i.customer_id AS VARCHAR) AS customer_id,
  i.invoice_date                 AS order_datetime,
  t.track_id                     AS product_id,
  t.track                        AS product_name,
  t.genre                        AS product_category,
  t.artist                       AS product_brand,
  l.quantity                     AS item_quantity,
  l.unit_price * l.quantity      AS item_revenue,
  l.unit_price                   AS unit_price
FROM 'data/chinook/invoice_lines.parquet' l
JOIN 'data/chinook/invoices.parquet' i ON i.invoice_id = l.invoice_id
JOIN 'data/chinook/tracks.csv' t       ON t.track_id = CAST(l.track_id AS VARCHAR);

SELECT
  uit.product_brand                                   AS brand
 ,uit.product_category                                AS content_category
 ,uit.product_id                                      AS content_id
 ,uit.product_name                                    AS content_name
 ,'product'                                           AS content_type
 ,'USD'                                               AS currency
 ,mc.email                                            AS email
 ,'CompletePayment'                                   AS event            -- today's name is Purchase; the old one still works
 ,'website'                                           AS event_channel
 ,uit.order_id                                        AS event_id
 ,'7654321098765432109'                               AS event_source_id
 ,uit.order_id                                        AS order_id
 ,'+' || regexp_replace(mc.phone, '[^0-9]', '', 'g')  AS phone
 ,uit.unit_price                                      AS price
 ,uit.item_quantity                                   AS quantity
 ,'chinook.example'                                   AS shop_id
 ,uit.order_datetime                                  AS timestamp
 ,uit.item_revenue / uit.item_quantity                AS value            -- not sent: the event's value is the sum of price × quantity
FROM itemized_transactions uit
LEFT JOIN 'data/chinook/customers.csv' mc ON mc.customer_id = uit.customer_id
WHERE uit.order_datetime >= TIMESTAMP '2025-12-01T00:00:00'  -- a fixed day, where Amperity counts back from today
