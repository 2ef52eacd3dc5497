//! How functions of text run: one invocation for every representation of text, constant or column, single or in lists.

use std::hash::{Hash, Hasher};
use std::iter::repeat_n;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, GenericListArray, OffsetSizeTrait, StringViewArray, StringViewBuilder,
    TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::types::logical_string;
use datafusion::common::{exec_datafusion_err, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Coercion, ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    TypeSignature, TypeSignatureClass, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::Defaults;
use super::declaration::{Body, Declaration, Parameter, Qualifier};
use crate::contract::normalize::Digest;

/// A [`Declaration`] as DataFusion runs it.
#[derive(Debug)]
pub(super) struct TextFunction {
    declaration: &'static Declaration,
    default: Qualifier,
    signature: Signature,
    documentation: Documentation,
}

impl TextFunction {
    pub(super) fn new(declaration: &'static Declaration, defaults: &Defaults) -> Self {
        let default = declaration.parameter.map_or(Qualifier::None, |parameter| parameter.default(defaults));
        Self { declaration, default, signature: signature(declaration), documentation: declaration.documentation() }
    }

    /// The result's type for a first argument of this type, if that type is accepted.
    fn result(&self, argument: &DataType) -> Option<DataType> {
        let list = |field: &FieldRef| {
            let element = self.declaration.lists.then(|| self.result(field.data_type())).flatten();
            element.map(|element| Arc::new(field.as_ref().clone().with_data_type(element).with_nullable(true)))
        };
        match argument {
            DataType::List(field) => list(field).map(DataType::List),
            DataType::LargeList(field) => list(field).map(DataType::LargeList),
            argument => is_text(argument).then(|| self.declaration.body.data_type()),
        }
    }

    /// The qualifiers of `rows` rows; `None` if NULL is given for all.
    fn qualifiers(&self, argument: Option<&ColumnarValue>) -> Result<Option<Qualifiers>> {
        let (Some(parameter), Some(argument)) = (self.declaration.parameter, argument) else {
            return Ok(Some(Qualifiers::One(self.default.clone())));
        };
        Ok(match argument {
            ColumnarValue::Scalar(constant) => match constant.try_as_str().flatten() {
                Some(text) => {
                    let qualifier =
                        parameter.parse(text).map_err(|message| exec_datafusion_err!("{}: {message}", self.name()))?;
                    Some(Qualifiers::One(qualifier))
                }
                None => None,
            },
            ColumnarValue::Array(column) => Some(Qualifiers::each(parameter, &views(column)?)),
        })
    }

    fn evaluate(&self, column: &ArrayRef, qualifiers: &Qualifiers) -> Result<ArrayRef> {
        match (column.data_type(), qualifiers) {
            (DataType::List(_), _) => self.evaluate_list::<i32>(column, qualifiers),
            (DataType::LargeList(_), _) => self.evaluate_list::<i64>(column, qualifiers),
            (DataType::Dictionary(..), Qualifiers::One(_))
                if column.as_any_dictionary().values().len() <= column.len() =>
            {
                let dictionary = column.as_any_dictionary();
                let values = self.evaluate(dictionary.values(), qualifiers)?;
                Ok(take(&values, dictionary.keys(), None)?)
            }
            _ => Ok(self.evaluate_texts(&views(column)?, qualifiers)),
        }
    }

    fn evaluate_list<O: OffsetSizeTrait>(&self, column: &ArrayRef, qualifiers: &Qualifiers) -> Result<ArrayRef> {
        let list: &GenericListArray<O> = column.as_list();
        let offsets = list.offsets();
        let (start, end) = (offsets[0].as_usize(), offsets[list.len()].as_usize());
        let (qualifiers, qualified) = qualifiers.of_elements(offsets);
        let values = self.evaluate(&list.values().slice(start, end - start), &qualifiers)?;
        let (DataType::List(field) | DataType::LargeList(field)) = column.data_type() else {
            return internal_err!("{} is no list", column.data_type());
        };
        let field = Arc::new(field.as_ref().clone().with_data_type(values.data_type().clone()).with_nullable(true));
        let nulls = NullBuffer::union(list.nulls(), qualified.as_ref());
        let offsets = OffsetBuffer::from_lengths(offsets.lengths());
        Ok(Arc::new(GenericListArray::<O>::try_new(field, offsets, values, nulls)?))
    }

    fn evaluate_texts(&self, texts: &StringViewArray, qualifiers: &Qualifiers) -> ArrayRef {
        let rows = texts.iter().enumerate().map(|(row, text)| Some((text?, qualifiers.at(row)?)));
        match self.declaration.body {
            Body::Text(body) => {
                let mut results = StringViewBuilder::with_capacity(texts.len());
                rows.for_each(|row| results.append_option(row.and_then(|(text, qualifier)| body(text, qualifier))));
                Arc::new(results.finish())
            }
            Body::Digest(body) => {
                let mut results = StringViewBuilder::with_capacity(texts.len());
                for row in rows {
                    let digest = row.and_then(|(text, qualifier)| body(text, qualifier));
                    results.append_option(digest.as_ref().map(Digest::as_str));
                }
                Arc::new(results.finish())
            }
            Body::Boolean(body) => {
                Arc::new(rows.map(|row| row.map(|(text, qualifier)| body(text, qualifier))).collect::<BooleanArray>())
            }
            Body::Instant(body) => {
                let instants = rows.map(|row| row.and_then(|(text, qualifier)| body(text, qualifier)));
                Arc::new(instants.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
        }
    }
}

/// Two functions are the same when they do the same: a declaration has its name to itself.
impl PartialEq for TextFunction {
    fn eq(&self, other: &Self) -> bool {
        self.declaration.name == other.declaration.name && self.default == other.default
    }
}

impl Eq for TextFunction {}

impl Hash for TextFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.declaration.name.hash(state);
    }
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &'static str {
        self.declaration.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let result = match (arguments, self.declaration.parameter) {
            ([text], _) => self.result(text),
            ([text, qualifier], Some(_)) if is_text(qualifier) => self.result(text),
            _ => None,
        };
        let Some(result) = result else {
            let given = arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let lists = if self.declaration.lists { " or a list of text" } else { "" };
            let advice = if arguments.iter().all(is_text) { "" } else { ": convert with CAST(… AS VARCHAR)" };
            return plan_err!("{} takes text{lists}, not ({given}){advice}", self.declaration.syntax());
        };
        Ok(result)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let types = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        let result = self.return_type(&types)?;
        if let (Some(parameter), Some(Some(constant))) = (self.declaration.parameter, arguments.scalar_arguments.get(1))
            && let Some(text) = constant.try_as_str().flatten()
            && let Err(message) = parameter.parse(text)
        {
            return plan_err!("{}: {message}", self.name());
        }
        Ok(Arc::new(Field::new(self.name(), result, true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((text, rest)) = arguments.args.split_first() else {
            return internal_err!("{} was invoked without arguments", self.name());
        };
        let Some(qualifiers) = self.qualifiers(rest.first())? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(arguments.return_type())?));
        };
        match (text, &qualifiers) {
            (ColumnarValue::Scalar(text), Qualifiers::One(_)) => {
                let result = self.evaluate(&text.to_array()?, &qualifiers)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
            }
            _ => Ok(ColumnarValue::Array(self.evaluate(&text.to_array(arguments.number_rows)?, &qualifiers)?)),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The second argument of each row.
enum Qualifiers {
    One(Qualifier),
    /// `None` where it is NULL or unknown.
    Each(Vec<Option<Qualifier>>, Option<NullBuffer>),
}

impl Qualifiers {
    fn each(parameter: Parameter, texts: &StringViewArray) -> Self {
        let mut last: Option<(&str, Option<Qualifier>)> = None;
        let qualifiers = texts.iter().map(|text| {
            let text = text?;
            match &last {
                Some((known, qualifier)) if *known == text => qualifier.clone(),
                _ => last.insert((text, parameter.parse(text).ok())).1.clone(),
            }
        });
        Self::Each(qualifiers.collect(), texts.nulls().cloned())
    }

    fn at(&self, row: usize) -> Option<&Qualifier> {
        match self {
            Self::One(qualifier) => Some(qualifier),
            Self::Each(qualifiers, _) => qualifiers[row].as_ref(),
        }
    }

    /// The same for the elements of a column of lists, and which lists have one at all.
    fn of_elements<O: OffsetSizeTrait>(&self, lists: &OffsetBuffer<O>) -> (Self, Option<NullBuffer>) {
        match self {
            Self::One(qualifier) => (Self::One(qualifier.clone()), None),
            Self::Each(qualifiers, nulls) => {
                let elements =
                    qualifiers.iter().zip(lists.lengths()).flat_map(|(one, length)| repeat_n(one.clone(), length));
                (Self::Each(elements.collect(), None), nulls.clone())
            }
        }
    }
}

/// Whether the type is a representation of text, or that of a bare NULL.
fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Text of any representation as views; the bytes stay where they are.
fn views(column: &ArrayRef) -> Result<StringViewArray> {
    Ok(cast(column, &DataType::Utf8View)?.as_string_view().clone())
}

/// Shows the text forms to `information_schema`, and lets every call through to [`TextFunction::return_type`], which
/// knows dictionaries and lists and says what it expects.
fn signature(declaration: &Declaration) -> Signature {
    let text = || Coercion::new_exact(TypeSignatureClass::Native(logical_string()));
    let mut forms = vec![TypeSignature::Coercible(vec![text()])];
    if declaration.parameter.is_some() {
        forms.push(TypeSignature::Coercible(vec![text(), text()]));
    }
    forms.push(TypeSignature::VariadicAny);
    Signature::one_of(forms, Volatility::Immutable)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{DictionaryArray, ListArray, StringArray};
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;
    use crate::contract::phone::Region;
    use crate::functions::identity;

    fn normalized(column: &ArrayRef) -> ArrayRef {
        let function = TextFunction::new(&identity::NORMALIZE_EMAIL, &Defaults::default());
        function.evaluate(column, &Qualifiers::One(Qualifier::None)).expect("a column of text")
    }

    #[test]
    fn slices_of_lists_and_dictionaries_are_read_where_they_start() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["A@b.co", "B@b.co", "C@b.co", "D@b.co"]));
        let field = Arc::new(Field::new("item", DataType::Utf8, true));
        let nulls = NullBuffer::from(vec![true, true, false, true]);
        let list = ListArray::new(field, OffsetBuffer::from_lengths([1, 2, 0, 1]), texts, Some(nulls));
        let result = normalized(&(Arc::new(list.slice(1, 3)) as ArrayRef));
        let result = result.as_list::<i32>();
        assert_eq!(result.value(0).as_string_view(), &StringViewArray::from(vec!["b@b.co", "c@b.co"]));
        assert!(result.is_null(1));
        assert_eq!(result.value(2).as_string_view().value(0), "d@b.co");

        let dictionary: DictionaryArray<Int32Type> =
            [Some("A@b.co"), Some("n/a"), None, Some("B@b.co"), Some("A@b.co")].into_iter().collect();
        for (start, expected) in [
            (0, vec![Some("a@b.co"), None, None, Some("b@b.co"), Some("a@b.co")]),
            (3, vec![Some("b@b.co"), Some("a@b.co")]),
        ] {
            let result = normalized(&(Arc::new(dictionary.slice(start, expected.len())) as ArrayRef));
            assert_eq!(result.as_string_view(), &expected.into_iter().collect::<StringViewArray>());
        }
    }

    #[test]
    fn functions_differ_by_name_and_default() {
        let (us, none) = (Defaults { region: Region::parse("US"), zone: None }, Defaults::default());
        let e164 = |defaults| TextFunction::new(&crate::functions::e164::E164, defaults);
        assert_eq!(e164(&us), e164(&us));
        assert_ne!(e164(&us), e164(&none));
        assert_ne!(e164(&us), TextFunction::new(&identity::HASH_PHONE, &us));
    }
}
