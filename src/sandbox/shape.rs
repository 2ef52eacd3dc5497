//! The shape of an event as a tree, built once from the contract's field table.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::contract::fields::FIELDS;
use crate::contract::{EventSource, Field, Kind, Presence};

/// One place in an event: a field, an object, or a list of objects.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Path from the event, as in the field table; empty for the event itself.
    pub path: &'static str,
    /// The field whose value goes here, unless this is an object only.
    pub field: Option<&'static Field>,
    /// Whether this is a list of objects rather than one.
    pub is_list: bool,
    /// What the object, or each object of the list, may hold.
    pub children: HashMap<&'static str, Shape>,
}

/// The event.
pub(crate) static EVENT: LazyLock<Shape> = LazyLock::new(|| {
    let mut event = Shape::default();
    FIELDS.iter().filter(|field| !is_envelope(field)).for_each(|field| event.place(field));
    event
});

/// Fields of the envelope by their key.
pub(crate) fn is_envelope(field: &Field) -> bool {
    matches!(field.kind, Kind::EventSource | Kind::EventSourceId)
}

/// What an event of `source` may not lack, apart from name and time.
pub(crate) fn required(source: EventSource) -> impl Iterator<Item = &'static Field> {
    static REQUIRED: LazyLock<[Vec<&'static Field>; 4]> = LazyLock::new(|| {
        EventSource::ALL.map(|source| {
            let is_required = |field: &&Field| field.presence(source) == Presence::Required;
            let has_own_check = |field: &&Field| matches!(field.kind, Kind::EventName | Kind::Time | Kind::EventId);
            FIELDS.iter().filter(|field| is_required(field) && !has_own_check(field) && !is_envelope(field)).collect()
        })
    });
    REQUIRED[source as usize].iter().copied()
}

impl Shape {
    fn place(&mut self, field: &'static Field) {
        let mut shape = self;
        let mut end = 0;
        for segment in field.path.split('.') {
            end += segment.len();
            let key = segment.strip_suffix("[]").unwrap_or(segment);
            shape = shape.children.entry(key).or_default();
            shape.path = field.path[..end].strip_suffix("[]").unwrap_or(&field.path[..end]);
            shape.is_list |= segment.ends_with("[]");
            end += 1;
        }
        shape.field = Some(field);
        shape.is_list |= field.kind == Kind::Contents;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_every_field_at_its_path() {
        for field in FIELDS.iter().filter(|field| !is_envelope(field)) {
            let place = field
                .path
                .split('.')
                .fold(&*EVENT, |shape, segment| &shape.children[segment.strip_suffix("[]").unwrap_or(segment)]);
            assert_eq!(place.field.map(|found| found.column), Some(field.column));
            assert_eq!(place.path, field.path);
        }
    }

    #[test]
    fn contents_are_the_list_and_user_is_an_object() {
        let contents = &EVENT.children["properties"].children["contents"];
        assert!(contents.is_list && contents.path == "properties.contents");
        let user = &EVENT.children["user"];
        assert!(!user.is_list && user.field.is_none() && user.path == "user");
    }

    #[test]
    fn web_requires_the_page_and_crm_the_lead() {
        let paths = |source| required(source).map(|field| field.path).collect::<Vec<_>>();
        assert_eq!(paths(EventSource::Offline), [""; 0]);
        assert_eq!(paths(EventSource::Web), ["page.url"]);
        assert_eq!(paths(EventSource::App), ["app.app_id"]);
        assert_eq!(paths(EventSource::Crm), ["lead.lead_id"]);
    }
}
