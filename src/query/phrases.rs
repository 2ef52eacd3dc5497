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
const FORMAT: &str = "write to_char(x, '%Y-%m-%d')";

/// Functions of other engines, and what to write, sorted by name.
#[rustfmt::skip]
const FUNCTIONS: &[(&str, &str)] = &[
    ("array_construct", "write make_array(a, b)"),
    ("convert_timezone", ZONE),
    ("countif", "write count(*) FILTER (WHERE …)"),
    ("date_add", LATER),
    ("date_diff", BETWEEN),
    ("date_sub", "write x - INTERVAL '1 day'"),
    ("dateadd", LATER),
    ("datediff", BETWEEN),
    ("div0", "write a / nullif(b, 0)"),
    ("explode", "write unnest(list)"),
    ("farm_fingerprint", ID),
    ("flatten", "write unnest(list)"),
    ("format_date", FORMAT),
    ("format_timestamp", FORMAT),
    ("generate_uuid", ID),
    ("get_json_object", JSON),
    ("get_path", JSON),
    ("group_concat", "write string_agg(x, ',')"),
    ("hex", "write encode(x, 'hex')"),
    ("iff", "write CASE WHEN … THEN … ELSE … END"),
    ("isnull", "write coalesce(x, …)"),
    ("json_extract", JSON),
    ("json_extract_path_text", JSON),
    ("json_extract_scalar", JSON),
    ("json_extract_string", JSON),
    ("json_query", JSON),
    ("json_value", JSON),
    ("lcase", "write lower(x)"),
    ("len", "write length(x)"),
    ("listagg", "write string_agg(x, ',')"),
    ("newid", ID),
    ("nullifzero", "write nullif(x, 0)"),
    ("object_construct", "write named_struct('content_id', a, 'price', b)"),
    ("parse_json", JSON),
    ("parse_timestamp", AS_TIME),
    ("regexp_extract", "write regexp_match(x, '…')[1]"),
    ("regexp_substr", "write regexp_match(x, '…')[1]"),
    ("safe_divide", "write a / nullif(b, 0)"),
    ("sha", DIGEST),
    ("sha1", DIGEST),
    ("sha2", DIGEST),
    ("sha2_hex", DIGEST),
    ("strftime", FORMAT),
    ("strptime", AS_TIME),
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
    ("uuid_string", ID),
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
    fn a_suggestion_is_passed_on_where_it_is_near() {
        assert_eq!(in_place_of("IFF", Some("tan")).as_deref(), Some("write CASE WHEN … THEN … ELSE … END"));
        assert_eq!(in_place_of("lowr", Some("lower")).as_deref(), Some("did you mean `lower`?"));
        assert_eq!(in_place_of("foo", Some("pow")), None);
    }
}
