//! The columns of JSON objects: those of all objects that are looked at, under the names that their files have for them.

use std::collections::{BTreeSet, HashMap, HashSet};

use datafusion::arrow::datatypes::{DataType, Schema};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::objects::{Found, Objects};
use super::rows::error;
use super::shape::Fields;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;
use crate::sources::file::SourceFile;
use crate::sources::recognise::{self, Format, SAMPLE_ROWS};
use crate::sources::report::{Inferred, Note};
use crate::sources::unread::Fault;
use crate::sources::{DAMAGED, header, typed};

type Object = Map<String, Value>;

/// The columns of all objects in the samples of `files`; `None` if there is no object. Files may spell a name differently,
/// unless one of them has both spellings. A field with a number of more digits than a float keeps is text.
///
/// # Errors
/// [`ErrorKind::Source`] if a file cannot be read, if none has an object that can, if most values of a field have nothing
/// in common, or if a `declared` name is a misspelt one.
pub(in crate::sources) fn infer(
    files: &[SourceFile],
    format: &Format,
    declared: Option<&Schema>,
) -> Result<Option<Inferred>> {
    let mut fault: Option<(&SourceFile, Fault)> = None;
    let mut names: Vec<(&SourceFile, BTreeSet<String>)> = Vec::new();
    let mut fields = Fields::default();
    let mut long = HashSet::new();
    for file in files {
        let (objects, first) = sample(file, files.len(), format, &mut long)?;
        fault = fault.or(first.map(|first| (file, first)));
        if !objects.is_empty() {
            for object in &objects {
                fields.add(object);
            }
            names.push((file, objects.iter().flat_map(Map::keys).cloned().collect()));
        }
    }
    let Some((first, _)) = names.first() else {
        return match fault {
            Some((file, fault)) => Err(unreadable(file, fault)),
            None => Ok(None),
        };
    };
    let mut columns = Fields::default();
    let mut spellings: HashMap<String, String> = HashMap::new();
    let apart = told_apart(&names);
    for (name, shapes) in fields.each() {
        let lower = name.to_ascii_lowercase();
        let spelled = if apart.contains(&lower) { &name } else { spellings.entry(lower).or_insert(name.clone()) };
        columns.of(spelled).append(shapes);
    }
    let mut schema = Vec::new();
    for (name, shapes) in columns.each() {
        let has_it = |(_, names): &&(&SourceFile, BTreeSet<String>)| names.contains(&name);
        schema.push(shapes.column(&name).ok_or_else(|| {
            let file = names.iter().find(has_it).map_or(first.shown(), |(file, _)| file.shown());
            Error::new(ErrorKind::Source, format!("most lists in the field `{name}` hold what has nothing in common"))
                .context("file", file)
                .hint("write the items of a list in one shape: numbers, texts or objects")
        })?);
    }
    let is_long = |name: &str| long.iter().any(|long: &String| long.eq_ignore_ascii_case(name));
    for field in schema.iter_mut().filter(|field| has_float(field.data_type()) && is_long(field.name())) {
        *field = field.clone().with_data_type(typed::as_text(field.data_type()));
    }
    let columns = || schema.iter().map(|field| field.name().as_str());
    header::require_names(first, columns(), "write it as a value, behind a name of its own")?;
    let missing = |name: &str| {
        let has = |names: &BTreeSet<String>| {
            names.contains(name) || !apart.contains(&name.to_ascii_lowercase()) && find(names, name).is_some()
        };
        let mut without = names.iter().filter(|(_, names)| !has(names)).map(|(file, _)| file.shown());
        Note::missing(name, without.next()?, 1 + without.count(), names.len())
    };
    let mut notes: Vec<Note> = columns().filter_map(missing).collect();
    let known: Vec<String> = columns().map(str::to_owned).collect();
    for column in declared.iter().flat_map(|declared| declared.fields()) {
        if find(&known, column.name()).is_none() {
            let free = known.iter().map(String::as_str).filter(|name| {
                !declared.iter().any(|declared| declared.fields().iter().any(|it| it.name().eq_ignore_ascii_case(name)))
            });
            if let Some(near) = nearest(column.name(), free) {
                let message = format!("no object has the declared field `{}`", column.name());
                return Err(Error::new(ErrorKind::Source, message)
                    .context("file", first.shown())
                    .hint(format!("did you mean `{near}`?")));
            }
            notes.extend(missing(column.name()));
        }
    }
    Ok(Some(Inferred { schema: Schema::new(schema), notes }))
}

/// Names, in lower case, of which a file has two spellings.
fn told_apart(files: &[(&SourceFile, BTreeSet<String>)]) -> HashSet<String> {
    let twice = |names: &BTreeSet<String>| {
        let mut seen = HashSet::new();
        names.iter().map(|name| name.to_ascii_lowercase()).filter(|name| !seen.insert(name.clone())).collect::<Vec<_>>()
    };
    files.iter().flat_map(|(_, names)| twice(names)).collect()
}

/// Which of `names` is `name`, in any case.
fn find<'a>(names: impl IntoIterator<Item = &'a String>, name: &str) -> Option<&'a String> {
    names.into_iter().find(|it| it.eq_ignore_ascii_case(name))
}

/// Whether values of `data_type` are floats, or hold some.
fn has_float(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float64 => true,
        DataType::List(item) => has_float(item.data_type()),
        DataType::Struct(members) => members.iter().any(|member| has_float(member.data_type())),
        _ => false,
    }
}

/// Whether a number stands in `json` that a float does not keep as it is written.
fn has_long_number(json: &str) -> bool {
    let mut rest = json.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'"' || *byte == b'-' || byte.is_ascii_digit()) {
        rest = &rest[at..];
        if rest[0] == b'"' {
            let mut end = 1;
            while rest.get(end).is_some_and(|byte| *byte != b'"') {
                end += if rest[end] == b'\\' { 2 } else { 1 };
            }
            rest = rest.get(end + 1..).unwrap_or_default();
            continue;
        }
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let (number, behind) = rest.split_at(length);
        if !str::from_utf8(number).is_ok_and(|number| typed::keeps(number, &DataType::Float64)) {
            return true;
        }
        rest = behind;
    }
    false
}

/// The objects at the beginning of a file, one of `files` of a location, and the first that cannot be read. The names of
/// fields with long numbers are added to `long`.
fn sample(
    file: &SourceFile,
    files: usize,
    format: &Format,
    long: &mut HashSet<String>,
) -> Result<(Vec<Object>, Option<Fault>)> {
    let has_one = |text: &[u8]| {
        let mut objects = Objects::new(text, format, true);
        matches!(objects.next_objects(), Ok(Some(Found::Objects { .. }))).then_some(text.len())
    };
    let content = recognise::records(file, files, has_one)?;
    let mut objects = Objects::new(content.text.as_slice(), format, content.is_cut);
    let mut values = Vec::new();
    let mut first = None;
    while values.len() < SAMPLE_ROWS {
        match objects.next_objects().map_err(|broken| error(file, broken))? {
            None => break,
            Some(Found::Faulty(fault)) => first = first.or(Some(fault)),
            Some(Found::Objects { text, objects, .. }) => {
                for one in objects.iter().map(|one| &text[one.clone()]).filter(|one| has_long_number(one)) {
                    let members: HashMap<String, &RawValue> = serde_json::from_str(one).unwrap_or_default();
                    long.extend(
                        members.into_iter().filter(|(_, raw)| has_long_number(raw.get())).map(|(name, _)| name),
                    );
                }
                values.extend(objects.iter().filter_map(|one| serde_json::from_str(&text[one.clone()]).ok()));
            }
        }
    }
    Ok((values, first))
}

/// The error of files without an object that can be read.
fn unreadable(file: &SourceFile, fault: Fault) -> Error {
    Error::new(ErrorKind::Source, format!("no object of `{}` can be read", file.shown()))
        .context("line", fault.spot)
        .context("found", fault.detail)
        .hint(DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_float_does_not_keep_are_found() {
        for (json, expected) in [
            ("{\"a\":1.5,\"b\":[1,-2e3]}", false),
            ("{\"a\":\"12345678901234567.89\"}", false),
            ("{\"a\":\"\\\"12345678901234567.89\"}", false),
            ("{\"12345678901234567.89\":0.1}", false),
            ("{\"a\":0.30000000000000004}", false),
            ("{\"a\":12345678901234567.89}", true),
            ("{\"a\":123456789012345678901}", true),
            ("{\"a\":[{\"b\":0.12345678901234567890}]}", true),
            ("{\"a\":1e400}", true),
            ("{\"a\":-1e-400}", true),
            ("{\"a\":\"", false),
            ("", false),
        ] {
            assert_eq!(has_long_number(json), expected, "{json}");
        }
    }
}
