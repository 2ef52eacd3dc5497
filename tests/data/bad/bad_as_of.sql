SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.default_region = 'GB';
SET postback.as_of = '2025-12-07Tnoon';

SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'orders.csv'
