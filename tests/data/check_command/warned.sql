SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';

SELECT
  'Purchase'    AS event,
  o.order_id    AS order_id,
  o.ordered_at  AS timestamp,
  o.email       AS email,
  o.customer_id AS external_id
FROM '../orders/orders.csv' o
