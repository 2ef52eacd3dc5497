SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.default_region = 'GB';
SET postback.as_of = '2025-12-07T12:00:00Z';
