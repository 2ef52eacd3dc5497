//! What to write in place of SQL that warehouses know and this engine does not.

use crate::settings::nearest;

const JSON: &str =
    "write x ->> 'field' for a field of JSON text, and CAST(x ->> 'field' AS DECIMAL(18, 2)) for a number";
const AS_TEXT: &str = "write CAST(x AS VARCHAR)";
const AS_NUMBER: &str = "write TRY_CAST(x AS DECIMAL(18, 2))";
const AS_TIME: &str = "select the text or number as it is, or write iso8601(x, 'Area/City')";
const ZONE: &str = "select the time as it is: it is read in its own zone, else in postback.timezone";
const LATER: &str = "write x + INTERVAL '1 day'";
const BETWEEN: &str = "subtract the times: later - earlier";
const DIGEST: &str = "return the plain value, which postback hashes, or write encode(sha256(x), 'hex')";
const ID: &str = "write event_id(a, b), which is the same in each run";
const LATEST: &str =
    "write first_value(a ORDER BY b DESC), or keep the row with row_number() OVER (… ORDER BY b DESC) = 1";
const FORMAT: &str = "write to_char(x, '%Y-%m-%d')";

/// Functions of other engines, and what to write, sorted by name.
#[rustfmt::skip]
const FUNCTIONS: &[(&str, &str)] = &[
    ("arg_max", LATEST),
    ("arg_min", LATEST),
    ("array_construct", "write make_array(a, b)"),
    ("charindex", "write strpos(text, part)"),
    ("columns", "name the columns"),
    ("convert_timezone", ZONE),
    ("count_if", "write count(*) FILTER (WHERE …)"),
    ("countif", "write count(*) FILTER (WHERE …)"),
    ("date_add", LATER),
    ("date_diff", BETWEEN),
    ("date_from_parts", "write make_date(2026, 11, 20)"),
    ("date_sub", "write x - INTERVAL '1 day'"),
    ("dateadd", LATER),
    ("datediff", BETWEEN),
    ("day", "write date_part('day', x)"),
    ("dayname", "write to_char(x, '%A')"),
    ("dayofweek", "write date_part('dow', x), which is 0 on Sundays"),
    ("div0", "write a / nullif(b, 0)"),
    ("epoch", "write date_part('epoch', x)"),
    ("epoch_ms", "write date_part('epoch', x) * 1000"),
    ("explode", "write unnest(list)"),
    ("farm_fingerprint", ID),
    ("flatten", "write unnest(list)"),
    ("format_date", FORMAT),
    ("format_timestamp", FORMAT),
    ("generate_uuid", ID),
    ("get_json_object", JSON),
    ("get_path", JSON),
    ("getdate", "write $last_success, or a time of the rows: the clock differs in each run"),
    ("group_concat", "write string_agg(x, ',')"),
    ("hash", ID),
    ("hex", "write encode(x, 'hex')"),
    ("hour", "write date_part('hour', x)"),
    ("if", "write CASE WHEN … THEN … ELSE … END"),
    ("iff", "write CASE WHEN … THEN … ELSE … END"),
    ("isnull", "write coalesce(x, …)"),
    ("json_extract", JSON),
    ("json_extract_path_text", JSON),
    ("json_extract_scalar", JSON),
    ("json_extract_string", JSON),
    ("json_query", JSON),
    ("json_value", JSON),
    ("last_day", "write date_trunc('month', x) + INTERVAL '1 month' - INTERVAL '1 day'"),
    ("lcase", "write lower(x)"),
    ("len", "write length(x)"),
    ("listagg", "write string_agg(x, ',')"),
    ("max_by", LATEST),
    ("min_by", LATEST),
    ("minute", "write date_part('minute', x)"),
    ("month", "write date_part('month', x)"),
    ("monthname", "write to_char(x, '%B')"),
    ("months_between", BETWEEN),
    ("newid", ID),
    ("nullifzero", "write nullif(x, 0)"),
    ("object_construct", "write named_struct('content_id', a, 'price', b)"),
    ("parse_json", JSON),
    ("parse_timestamp", AS_TIME),
    ("quarter", "write date_part('quarter', x)"),
    ("read_csv", "write the path in quotes as a table: FROM 'exports/orders.csv'"),
    ("read_csv_auto", "write the path in quotes as a table: FROM 'exports/orders.csv'"),
    ("read_json", "write the path in quotes as a table: FROM 'exports/orders.ndjson'"),
    ("read_json_auto", "write the path in quotes as a table: FROM 'exports/orders.ndjson'"),
    ("read_parquet", "write the path in quotes as a table: FROM 'exports/*.parquet'"),
    ("regexp_extract", "write regexp_match(x, '…')[1]"),
    ("regexp_extract_all", "write regexp_match(x, '…')"),
    ("regexp_substr", "write regexp_match(x, '…')[1]"),
    ("safe_divide", "write a / nullif(b, 0)"),
    ("second", "write date_part('second', x)"),
    ("sha", DIGEST),
    ("sha1", DIGEST),
    ("sha2", DIGEST),
    ("sha2_hex", DIGEST),
    ("soundex", "compare lower(x), or levenshtein(a, b) < 3"),
    ("split", "write string_to_array(x, ','), whose first element is [1]"),
    ("strftime", FORMAT),
    ("strip_accents", "write translate(x, 'áéí', 'aei')"),
    ("strptime", AS_TIME),
    ("sysdate", "write $last_success, or a time of the rows: the clock differs in each run"),
    ("timestamp_add", LATER),
    ("timestamp_diff", BETWEEN),
    ("timestamp_seconds", AS_TIME),
    ("timestampadd", LATER),
    ("timestampdiff", BETWEEN),
    ("to_decimal", AS_NUMBER),
    ("to_json_string", JSON),
    ("to_number", AS_NUMBER),
    ("to_numeric", AS_NUMBER),
    ("to_timestamp_ltz", AS_TIME),
    ("to_timestamp_ntz", AS_TIME),
    ("to_timestamp_tz", AS_TIME),
    ("to_varchar", AS_TEXT),
    ("try_to_decimal", AS_NUMBER),
    ("try_to_number", AS_NUMBER),
    ("try_to_timestamp", AS_TIME),
    ("ucase", "write upper(x)"),
    ("unaccent", "write translate(x, 'áéí', 'aei')"),
    ("unix_timestamp", "write date_part('epoch', x)"),
    ("uuid_string", ID),
    ("week", "write date_part('week', x)"),
    ("year", "write date_part('year', x)"),
    ("zeroifnull", "write coalesce(x, 0)"),
];

/// What the planner says, in part and in lower case; what we say; and what to do about it.
#[rustfmt::skip]
const REFUSALS: &[(&str, &str, &str)] = &[
    ("union queries have different number of columns", "the queries of a UNION return different numbers of columns",
        "return the same columns in the same order from each, NULL where one has nothing for it"),
    ("aggregate functions are not allowed in the where clause", "WHERE cannot compare what an aggregate function gives",
        "compare it in HAVING, which stands behind GROUP BY"),
    ("must be in group by or an aggregate function", "column in SELECT must be in GROUP BY or an aggregate function",
        "add it to GROUP BY, or take one of its values, such as min(…)"),
    ("specified more than once", "two queries of one WITH have the same name", "give one of them another name"),
    ("order by column out of bounds", "ORDER BY counts more columns than the result has", "write the name of the column"),
    ("sqltorel: rlike", "the engine has no RLIKE", "write x ~ '…' with a regular expression"),
    ("ast node pivot", "the engine has no PIVOT",
        "write one column for each value: sum(x) FILTER (WHERE y = 'a') AS a"),
    ("ast node unpivot", "the engine has no UNPIVOT", "write one SELECT for each column, joined by UNION ALL"),
    ("ast node matchrecognize", "the engine has no MATCH_RECOGNIZE", "write window functions such as lag(x) OVER (…)"),
    ("join operator semi", "the engine has no SEMI JOIN without a side", "write LEFT SEMI JOIN, or WHERE EXISTS (…)"),
    ("join operator anti", "the engine has no ANTI JOIN without a side", "write LEFT ANTI JOIN, or WHERE NOT EXISTS (…)"),
    ("join operator asof", "the engine has no ASOF JOIN",
        "join on the key, and keep the row with row_number() OVER (PARTITION BY … ORDER BY … DESC) = 1"),
    ("join operator crossapply", "the engine has no CROSS APPLY", "join with a sub-query"),
    ("join operator outerapply", "the engine has no OUTER APPLY", "join with a sub-query"),
    ("any in like expression", "the engine has no LIKE ANY", "write x LIKE 'a%' OR x LIKE 'b%'"),
    ("not implemented: top", "the engine has no TOP", "write LIMIT at the end of the query"),
    ("fetch clause is not supported", "the engine has no FETCH FIRST", "write LIMIT at the end of the query"),
    ("limit by clause", "the engine has no LIMIT BY",
        "keep rows by QUALIFY row_number() OVER (PARTITION BY … ORDER BY …) <= 1"),
    ("wildcard * with rename", "the engine has no `*` with RENAME", "name the columns: order_id AS id"),
    ("wildcard * with as alias", "`*` takes no name", "name the columns"),
    ("lateral views", "the engine has no LATERAL VIEW",
        "write unnest(list) in the select list of a sub-query"),
    ("not implemented: sort by", "the engine has no SORT BY", "write ORDER BY"),
    ("not implemented: cluster by", "the engine has no CLUSTER BY", "leave it out"),
    ("with ordinality", "the engine has no WITH ORDINALITY", "write row_number() OVER (…)"),
    ("table factor with offset", "the engine has no WITH OFFSET", "write row_number() OVER (…)"),
    ("lateral syntax is not supported", "LATERAL cannot stand behind this join", "write a sub-query, and join with it"),
    ("cast with format", "CAST takes no FORMAT", "write to_date(x, '%d/%m/%Y') or to_char(x, '%Y-%m-%d')"),
    ("unsupported sql type", "the engine does not know this type",
        "the types are BIGINT, INT, DOUBLE, DECIMAL(18, 2), VARCHAR, BOOLEAN, DATE, TIMESTAMP and TIMESTAMPTZ"),
    ("unsupported ast node in sqltorel: jsonaccess", "the engine has no `:` for fields of JSON", JSON),
    ("has no operator `:`", "the engine has no `:` for fields of JSON", JSON),
    ("operator div is not yet supported", "the engine has no operator that divides whole numbers",
        "write floor(x / 100.0)"),
    ("has no operator `div`", "the engine has no operator that divides whole numbers", "write floor(x / 100.0)"),
    ("non-boolean predicate", "a condition is neither true nor false", "compare it: x > 0, or x IS NOT NULL"),
    ("must be boolean type", "a condition is neither true nor false", "compare it: x > 0, or x IS NOT NULL"),
    ("cannot cast string", "a text of the query does not convert to the type it is cast to",
        "TRY_CAST gives NULL for values that do not convert"),
    ("cannot automatically convert", "the types on both sides do not meet",
        "convert one side: CAST(x AS DECIMAL(18, 2)), or x + INTERVAL '1 day' for a time"),
    ("overflow happened on", "a number is too large for its type", "convert it first: CAST(x AS DECIMAL(38, 0))"),
    ("is out of range", "a number is too large for its type", "convert it first: CAST(x AS DECIMAL(38, 0))"),
    ("crashes on a constant", "a function of the query has no value for its constant",
        "look at the constants of dates, numbers and patterns: one lies outside what its function takes"),
    ("optimizer hints not supported", "the engine takes no hints", "leave the hint out"),
    ("error parsing timestamp from", "a text of the query is no time, or does not fit its format",
        "formats have `%` codes: to_timestamp(x, '%d/%m/%Y %H:%M')"),
    ("function 'decode' expects 2 arguments", "`decode` turns Base64 or hex into bytes here",
        "write CASE x WHEN 1 THEN 'a' ELSE 'b' END"),
    ("cannot coerce arithmetic expression", "the types on both sides cannot be calculated with",
        "a time takes x + INTERVAL '1 day', a number in text CAST(x AS DECIMAL(18, 2)), and texts are joined with ||"),
];

/// What to write in place of the unknown function `name`, for which the engine suggests `suggested`.
pub(super) fn in_place_of(name: &str, suggested: Option<&str>) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if let Ok(found) = FUNCTIONS.binary_search_by(|(function, _)| (*function).cmp(&name)) {
        return Some(FUNCTIONS[found].1.to_owned());
    }
    // The engine always has one that is nearest, near or not.
    nearest(&name, suggested.into_iter()).map(|near| format!("did you mean `{near}`?"))
}

/// What the planner says in `message`, in other words, and what to do about it.
pub(super) fn plainly(message: &str) -> Option<(&'static str, &'static str)> {
    let message = message.to_lowercase();
    REFUSALS.iter().find(|(part, ..)| message.contains(part)).map(|(_, said, help)| (*said, *help))
}

/// `message` without the engine's prefix, and without what it writes out of its own structures: `RLike { negated: …`.
pub(super) fn without_dump(message: &str) -> String {
    const PREFIX: &str = "this feature is not implemented: ";
    let (is_missing, words) = match message.strip_prefix(PREFIX) {
        Some(words) => (true, words),
        None => (false, message),
    };
    let behind = ["arrow error: ", "Arrow error: ", "Cast error: ", "Parser error: ", "Compute error: "];
    let words = behind.iter().fold(words, |words, prefix| words.strip_prefix(prefix).unwrap_or(words));
    let mut kept: Vec<&str> = Vec::new();
    for word in words.split(' ') {
        if let Some(begun) = beginning_of_dump(word) {
            kept.extend(Some(begun).filter(|begun| !begun.is_empty()));
            break;
        }
        // `RLike {`: the name is worth keeping, what stands in braces is not.
        if word.starts_with('{') {
            break;
        }
        kept.push(word);
    }
    let kept = kept.join(" ");
    let mut kept = named_types(&kept).trim_end_matches([':', ',', ' ', '(']).to_owned();
    if let Some(rest) = kept.strip_prefix("Unsupported ast node in sqltorel: ") {
        kept = rest.to_uppercase();
    } else if let Some(rest) = kept.strip_prefix("Unsupported ") {
        kept = rest.to_string();
    }
    if is_missing { format!("the engine does not know this: {kept}") } else { kept }
}

/// `words` with the names of types in SQL, and literals as they are written there: `Int64(1)` is 1.
fn named_types(words: &str) -> String {
    const TYPES: &[(&str, &str)] = &[
        ("Utf8View", "VARCHAR"),
        ("LargeUtf8", "VARCHAR"),
        ("Utf8", "VARCHAR"),
        ("UInt64", "BIGINT UNSIGNED"),
        ("UInt32", "INT UNSIGNED"),
        ("UInt16", "SMALLINT UNSIGNED"),
        ("UInt8", "TINYINT UNSIGNED"),
        ("Int64", "BIGINT"),
        ("Int32", "INT"),
        ("Int16", "SMALLINT"),
        ("Int8", "TINYINT"),
        ("Float64", "DOUBLE"),
        ("Float32", "REAL"),
        ("Float16", "REAL"),
        ("Date32", "DATE"),
        ("Date64", "DATE"),
        ("Decimal128", "DECIMAL"),
        ("Decimal256", "DECIMAL"),
    ];
    let mut written = words.to_owned();
    for (name, sql) in TYPES {
        let literal = format!("{name}(");
        while let Some((before, rest)) = written.split_once(&literal)
            && let Some((inside, behind)) = rest.split_once(')')
        {
            let is_decimal = *sql == "DECIMAL";
            written = if is_decimal {
                format!("{before}{sql}\u{1}{inside}){behind}")
            } else {
                format!("{before}{}{behind}", inside.replace('"', "'"))
            };
        }
        written = written.replace(name, sql);
    }
    written.replace('\u{1}', "(")
}

/// What stands before a structure that the engine writes out in `word`, such as `Some(Value` or `Field{`.
fn beginning_of_dump(word: &str) -> Option<&str> {
    let at = word.find(['(', '{'])?;
    let (name, inside) = (&word[..at], &word[at + 1..]);
    let begins = |text: &str| text.chars().next().is_some_and(char::is_uppercase);
    let is_structure = begins(name) && name.chars().all(char::is_alphanumeric) && name.chars().any(char::is_lowercase);
    (is_structure && (begins(inside) || word[at..].starts_with('{'))).then_some(name)
}

/// What is wrong with a text that does not parse, where it is no SQL to begin with.
pub(super) fn no_sql(text: &str, words: &str) -> Option<&'static str> {
    if ["{{", "{%"].iter().any(|opening| text.contains(opening)) {
        return Some(
            "templates are not filled in here: take the compiled file, which dbt writes below target/compiled",
        );
    }
    words.contains(['‘', '’', '“', '”']).then_some("text stands between straight quotes: 'Purchase'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_and_none_of_them_is_known_to_the_engine() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let functions = datafusion::functions::all_default_functions().into_iter();
        let known: Vec<String> = functions
            .chain(datafusion::functions_nested::all_default_nested_functions())
            .flat_map(|function| {
                std::iter::once(function.name().to_owned()).chain(function.aliases().to_vec()).collect::<Vec<_>>()
            })
            .collect();
        // `flatten(list)` is known; as a table function behind LATERAL it is not.
        let is_needless = |name: &str| name != "flatten" && known.iter().any(|other| other == name);
        let needless: Vec<_> = FUNCTIONS.iter().filter(|(name, _)| is_needless(name)).collect();
        assert!(needless.is_empty(), "{needless:?}");
    }

    #[test]
    fn no_structure_of_the_engine_is_shown() {
        for (message, expected) in [
            (
                "this feature is not implemented: Unsupported ast node in sqltorel: Prior(Identifier(Ident { value: \"a\" }))",
                "the engine does not know this: PRIOR",
            ),
            (
                "this feature is not implemented: Unsupported JOIN operator Foo(On(BinaryOp { left: Some(1) }))",
                "the engine does not know this: JOIN operator Foo",
            ),
            (
                "this feature is not implemented: Unsupported ast node Pivot { table: Derived { lateral: false",
                "the engine does not know this: ast node Pivot",
            ),
            ("cannot compare Utf8 with Int64", "cannot compare VARCHAR with BIGINT"),
            ("a condition 'a + Int64(1)' is Int64", "a condition 'a + 1' is BIGINT"),
            ("x = Utf8(\"y\") of Decimal128(10, 2)", "x = 'y' of DECIMAL(10, 2)"),
            ("no match for Field { name: \"a\", data_type: Utf8 }", "no match for Field"),
            ("a column has a list of numbers (three)", "a column has a list of numbers (three)"),
        ] {
            assert_eq!(without_dump(message), expected);
        }
    }

    #[test]
    fn a_suggestion_is_passed_on_where_it_is_near() {
        assert_eq!(in_place_of("IFF", Some("tan")).as_deref(), Some("write CASE WHEN … THEN … ELSE … END"));
        assert_eq!(in_place_of("lowr", Some("lower")).as_deref(), Some("did you mean `lower`?"));
        assert_eq!(in_place_of("foo", Some("pow")), None);
    }
}
