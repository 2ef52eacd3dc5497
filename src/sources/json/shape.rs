//! What the values of a field look like, over all objects that were looked at.
//!
//! Values that have nothing in common do not fail their file: each shape keeps its count, the most frequent one is the
//! column's, and the rows of the others are rejected when they are read.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use serde_json::{Map, Value};

use crate::sources::meaning::{identifies, is_amount};

/// Shapes of one field that are told apart.
const MAX_SHAPES: usize = 8;

/// What values look like.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// There is none, or null.
    Nothing,
    Boolean,
    Whole,
    Number,
    Text,
    List(Box<Shape>),
    Object(Members),
}

/// The members of objects, in the order in which they are first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Members {
    shapes: Vec<(String, Shape)>,
    places: HashMap<String, usize>,
}

/// The shapes of a field, each with the number of values that have it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    found: Vec<(Shape, u64)>,
    /// Values that have no shape, such as a list of a number and an object.
    shapeless: u64,
}

/// The fields of objects, in the order in which they are first seen.
#[derive(Debug, Default)]
pub(super) struct Fields {
    fields: Vec<(String, Shapes)>,
    places: HashMap<String, usize>,
}

impl Fields {
    /// Takes up the fields of `object`.
    pub(super) fn add(&mut self, object: &Map<String, Value>) {
        for (name, value) in object {
            self.of(name).add(value);
        }
    }

    /// The shapes of the field `name`.
    pub(super) fn of(&mut self, name: &str) -> &mut Shapes {
        let known = self.places.get(name).copied();
        let place = known.unwrap_or_else(|| {
            self.places.insert(name.to_owned(), self.fields.len());
            self.fields.push((name.to_owned(), Shapes::default()));
            self.fields.len() - 1
        });
        &mut self.fields[place].1
    }

    /// All of them.
    pub(super) fn each(self) -> impl Iterator<Item = (String, Shapes)> {
        self.fields.into_iter()
    }
}

impl Shapes {
    fn add(&mut self, value: &Value) {
        match Shape::of(value) {
            Some(shape) => self.merge(shape, 1),
            None => self.shapeless += 1,
        }
    }

    /// Takes up those of the same field under another name.
    pub(super) fn append(&mut self, others: Self) {
        self.shapeless += others.shapeless;
        for (shape, count) in others.found {
            self.merge(shape, count);
        }
    }

    fn merge(&mut self, shape: Shape, count: u64) {
        for (known, known_count) in &mut self.found {
            if let Some(both) = known.with(&shape) {
                *known = both;
                *known_count += count;
                return;
            }
        }
        if self.found.len() < MAX_SHAPES {
            self.found.push((shape, count));
        }
    }

    /// The column of the field `name`, of the shape that most of its values have; none if most have no shape.
    pub(super) fn column(&self, name: &str) -> Option<Field> {
        let most = self.found.iter().rev().max_by_key(|(_, count)| *count);
        let (shape, count) = most.map_or((&Shape::Nothing, 0), |(shape, count)| (shape, *count));
        (count >= self.shapeless).then(|| Field::new(name, shape.data_type(name), true))
    }
}

impl Shape {
    /// The shape of `value`; none if it is a list of what has nothing in common.
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Nothing,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Whole,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(items) => {
                let shape = |all: Self, item| all.with(&Self::of(item)?);
                Self::List(Box::new(items.iter().try_fold(Self::Nothing, shape)?))
            }
            Value::Object(members) => {
                let mut shapes = Members::default();
                for (name, value) in members {
                    shapes.push(name, Self::of(value)?);
                }
                Self::Object(shapes)
            }
        })
    }

    /// The shape of values of both; none if they have nothing in common.
    fn with(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (one, two) if one == two => one.clone(),
            (Self::Nothing, some) | (some, Self::Nothing) => some.clone(),
            (Self::List(one), Self::List(two)) => Self::List(Box::new(one.with(two)?)),
            (Self::Object(one), Self::Object(two)) => Self::Object(one.with(two)?),
            (Self::List(_) | Self::Object(_), _) | (_, Self::List(_) | Self::Object(_)) => return None,
            (Self::Whole, Self::Number) | (Self::Number, Self::Whole) => Self::Number,
            _ => Self::Text,
        })
    }

    /// The type of the field `name`.
    ///
    /// A field whose name says that it identifies something is text, so that ids beyond 64 bits keep their digits, and so is
    /// a field without a value. An amount may have cents below the sample.
    fn data_type(&self, name: &str) -> DataType {
        match self {
            Self::Whole | Self::Number if identifies(name) => DataType::Utf8,
            Self::Nothing | Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Whole if !is_amount(name) => DataType::Int64,
            Self::Whole | Self::Number => DataType::Float64,
            Self::List(item) => DataType::List(Arc::new(Field::new_list_field(item.data_type(name), true))),
            Self::Object(members) => {
                let member = |(name, shape): &(String, Self)| Field::new(name, shape.data_type(name), true);
                DataType::Struct(members.shapes.iter().map(member).collect())
            }
        }
    }
}

impl Members {
    fn push(&mut self, name: &str, shape: Shape) {
        self.places.insert(name.to_owned(), self.shapes.len());
        self.shapes.push((name.to_owned(), shape));
    }

    fn with(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (name, shape) in &other.shapes {
            match self.places.get(name) {
                Some(place) => both.shapes[*place].1 = self.shapes[*place].1.with(shape)?,
                None => both.push(name, shape.clone()),
            }
        }
        Some(both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The type of the field `name`, whose values are the members of `values`.
    fn data_type(name: &str, values: &str) -> Option<String> {
        let mut shapes = Shapes::default();
        let values: Vec<Value> = serde_json::from_str(values).unwrap();
        for value in &values {
            shapes.add(value);
        }
        shapes.column(name).map(|field| field.data_type().to_string())
    }

    #[test]
    fn a_column_holds_what_most_of_its_values_are() {
        for (values, expected) in [
            ("[null]", Some("Utf8")),
            ("[1, null, 2.5]", Some("Float64")),
            ("[1, true]", Some("Utf8")),
            ("[[], [1], null, [2.5]]", Some("List(Float64)")),
            ("[{\"a\":1}, {\"b\":[{\"c\":true}]}]", Some("Struct(\"a\": Int64, \"b\": List(Struct(\"c\": Boolean)))")),
            ("[{\"a\":1}, 5, 6]", Some("Int64")),
            ("[5, {\"a\":1}, {\"a\":{\"b\":1}}, {\"a\":2}]", Some("Struct(\"a\": Int64)")),
            ("[\"x\", [\"y\"], \"z\"]", Some("Utf8")),
            ("[[1, {\"a\":1}], [1]]", Some("List(Int64)")),
            ("[[1, {\"a\":1}]]", None),
        ] {
            assert_eq!(data_type("a", values).as_deref(), expected, "{values}");
        }
        assert_eq!(data_type("order_id", "[1]").as_deref(), Some("Utf8"));
        assert_eq!(data_type("unit_price", "[1]").as_deref(), Some("Float64"));
        assert_eq!(data_type("items", "[{\"sku\":1}]").as_deref(), Some("Struct(\"sku\": Utf8)"));
    }
}
