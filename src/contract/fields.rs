//! THE table: one row per field of the Events API 2.0 request, with the column that feeds it.
//!
//! Rows stand in the order in which the encoder writes them. A field that TikTok documents for some event sources only
//! is absent from the others, whatever integrations send there. A column whose field name is taken by another row (the
//! city of a hotel and that of a person) carries its vertical as a prefix.

use super::Kind::{
    Amount, Boolean, Contents, Country, Currency, Email, EventId, EventName, EventSourceId, ExternalId, Integer, Ip,
    Locale, LowerAdvertisingId, Number, Numbers, OneOf, PersonName, Phone, Place, Quantity, Text, Texts, Time,
    UpperAdvertisingId, Url, ZipCode,
};
use super::Presence::{Absent, Optional, Required};
use super::Vertical::{Travel, Vehicle};
use super::{Citation, EventSource, Field, Kind, Presence, Privacy, Vertical};

// Presence, in the order of `EventSource::ALL`: offline, web, app, crm.
const REQUIRED: [Presence; 4] = [Required; 4];
const EVERY: [Presence; 4] = [Optional; 4];
const WEB: [Presence; 4] = [Absent, Optional, Absent, Absent];
const APP: [Presence; 4] = [Absent, Absent, Optional, Absent];
const CRM: [Presence; 4] = [Absent, Absent, Absent, Optional];
const WEB_APP: [Presence; 4] = [Absent, Optional, Optional, Absent];
const WEB_CRM: [Presence; 4] = [Absent, Optional, Absent, Optional];
const WEB_REQUIRED: [Presence; 4] = [Absent, Required, Absent, Absent];
const APP_REQUIRED: [Presence; 4] = [Absent, Absent, Required, Absent];
const CRM_REQUIRED: [Presence; 4] = [Absent, Absent, Absent, Required];

/// Values of `event_channel`.
pub const EVENT_CHANNELS: &[&str] = &["email", "website", "phone_call", "in_store", "crm", "other"];
/// Values of `content_type`.
pub const CONTENT_TYPES: &[&str] = &["product", "product_group"];
/// Values of `customer_type`.
pub const CUSTOMER_TYPES: &[&str] = &["new", "returning"];
/// Values of `att_status`, Apple's App Tracking Transparency.
pub const ATT_STATUSES: &[&str] = &["AUTHORIZED", "DENIED", "NOT_DETERMINED", "RESTRICTED", "NOT_APPLICABLE"];
/// Values of `state_of_vehicle`.
pub const VEHICLE_STATES: &[&str] = &["New", "Used", "CPO"];
/// Values of `mileage_unit`.
pub const MILEAGE_UNITS: &[&str] = &["MI", "KM"];
/// Values of `transmission`.
pub const TRANSMISSIONS: &[&str] = &["Automatic", "Manual", "Other"];

/// Columns that say whose event it is, in the order in which a derived `event_id` takes them.
pub const IDENTITY: &[&str] =
    &["email", "phone", "external_id", "tiktok_click_id", "cookie_id", "lead_id", "idfa", "gaid", "idfv"];

/// A group of columns of which every event of a source needs at least one.
#[derive(Clone, Copy, Debug)]
pub struct AnyOf {
    /// The event source that the rule holds for.
    pub source: EventSource,
    /// Canonical names of the columns.
    pub columns: &'static [&'static str],
    /// Source of the row.
    pub citation: Citation,
}

/// Every group of columns of which an event needs at least one.
pub const ANY_OF: &[AnyOf] =
    &[AnyOf { source: EventSource::Offline, columns: &["email", "phone"], citation: likely("A1, P1, H7 (R30)") }];

/// A key of the request's envelope that no column feeds: name, meaning, source.
pub const ENVELOPE_SETTINGS: &[(&str, &str, Citation)] = &[
    ("test_event_code", "Marks the request's events as test events.", likely("D4, P1, P2, P3, P4 (R12, R13)")),
    ("partner_name", "Names the sending software.", likely("D4 (R12)")),
];

/// Every field, in the order of the JSON.
#[rustfmt::skip] // a row is two lines: where the value goes, and what it means
pub static FIELDS: &[Field] = &[
    // Envelope
    field("event_source", "event_source", Kind::EventSource, REQUIRED)
        .means("Where the event happened; a setting or a column.", certain("D1, P9 (R7)")),
    field("event_source_id", "event_source_id", EventSourceId, REQUIRED).also(&["event_set_id", "pixel_code"])
        .means("Offline or CRM event set id, pixel code or TikTok app id; a setting or a column.", certain("D1, P10 (R8, R9)")),

    // Event
    field("event", "event", EventName, REQUIRED).also(&["event_name"])
        .means("Name of the event, case-sensitive; the old names are still accepted.", certain("D1, H5 (R16-R22)")),
    field("timestamp", "event_time", Time, REQUIRED).also(&["event_time", "event_timestamp"])
        .means("When it happened; a query may give ISO 8601, a timestamp, or Unix seconds or milliseconds.", certain("D1 (R23-R27)")),
    field("event_id", "event_id", EventId, EVERY)
        .means("De-duplication id, best 32 characters of 0-9A-Za-z; derived when the query has none.", certain("D1, H1 (R28, R29)")),

    // User
    field("email", "user.email", Email, EVERY).also(&["emails"]).hashed()
        .means("E-mail address or a list of them; digests pass through.", certain("D1 (R36-R41)")),
    field("phone", "user.phone", Phone, EVERY).also(&["phones", "phone_number", "phone_numbers"]).hashed()
        .means("Phone number with + and country code, or a list of them; digests pass through.", certain("D1 (R36-R41)")),
    field("external_id", "user.external_id", ExternalId, WEB_CRM).hashed()
        .means("Your own customer id or a list of them, case kept; digests pass through.", certain("D1 (R36, R37, R46)")),
    field("first_name", "user.first_name", PersonName, WEB).hashed()
        .means("First name of the customer.", likely("P1, P2, P3, P4, P7 (R45)")),
    field("last_name", "user.last_name", PersonName, WEB).hashed()
        .means("Last name of the customer.", likely("P1, P2, P3, P4, P7 (R45)")),
    field("city", "user.city", Place, WEB).plain()
        .means("City of the customer.", likely("P1, P4, P7 (R45)")),
    field("state", "user.state", Place, WEB).plain()
        .means("State or province of the customer.", likely("P1, P4, P7 (R45)")),
    field("country", "user.country", Country, WEB).plain()
        .means("Two-letter country code of the customer.", likely("P1, P4, P7 (R45)")),
    field("zip_code", "user.zip_code", ZipCode, WEB).hashed()
        .means("Postal code of the customer; as text, so that leading zeros survive.", likely("P1, P2, P3, P4, P7 (R45)")),
    field("tiktok_click_id", "user.ttclid", Text, WEB).also(&["ttclid"]).plain()
        .means("The ttclid parameter of the landing page's URL, unchanged.", certain("D1 (R43)")),
    field("cookie_id", "user.ttp", Text, WEB).also(&["ttp"]).plain()
        .means("Value of the _ttp cookie, unchanged.", certain("D1 (R43)")),
    field("ip", "user.ip", Ip, WEB_APP).plain()
        .means("Public IPv4 or IPv6 address of the customer; send it together with agent.", certain("D1 (R42, R44)")),
    field("agent", "user.user_agent", Text, WEB_APP).also(&["user_agent"]).plain()
        .means("User agent of the customer's browser or device.", certain("D1 (R43, R44)")),
    field("locale", "user.locale", Locale, WEB_APP)
        .means("Language tag such as en-US.", certain("D1")),
    field("idfa", "user.idfa", UpperAdvertisingId, APP).plain()
        .means("Apple advertising id, or its digest.", certain("D1 (R47)")),
    field("gaid", "user.gaid", LowerAdvertisingId, APP).plain()
        .means("Google advertising id, or its digest.", certain("D1 (R47)")),
    field("idfv", "user.idfv", Text, APP).plain()
        .means("Apple vendor id.", certain("D1")),
    field("att_status", "user.att_status", OneOf(ATT_STATUSES), APP)
        .means("Apple's tracking permission on the device.", certain("D1 (R47)")),

    // Properties
    field("order_id", "properties.order_id", Text, EVERY)
        .means("Your order number; also the base of a derived event_id.", certain("D1 (R59)")),
    field("shop_id", "properties.shop_id", Text, EVERY).also(&["store_id"])
        .means("Your store number.", certain("D1 (R59)")),
    field("currency", "properties.currency", Currency, EVERY)
        .means("ISO 4217 code of value and price; there is no silent default.", certain("D1 (R50-R52)")),
    field("value", "properties.value", Amount, EVERY)
        .means("Total of the order, at least 0; price times quantity when the query has no value column.", certain("D1 (R48, R49, R52)")),
    field("content_type", "properties.content_type", OneOf(CONTENT_TYPES), EVERY)
        .means("What the content ids name; product when there are contents and the row says nothing.", certain("D1 (R57, R58)")),
    field("contents", "properties.contents", Contents, EVERY)
        .means("List of structs of the item columns, for queries that aggregate themselves.", certain("D1 (R53)")),
    field("content_id", "properties.contents[].content_id", Text, EVERY)
        .means("Product or item group id of the item, as in the catalogue.", certain("D1, P2 (R54)")),
    field("content_name", "properties.contents[].content_name", Text, EVERY)
        .means("Name of the item.", certain("D1")),
    field("content_category", "properties.contents[].content_category", Text, EVERY)
        .means("Category of the item.", certain("D1")),
    field("brand", "properties.contents[].brand", Text, EVERY)
        .means("Brand of the item.", certain("D1")),
    field("price", "properties.contents[].price", Amount, EVERY)
        .means("Price of one piece, not of the line.", certain("D1, P14 (R55)")),
    field("quantity", "properties.contents[].quantity", Quantity, EVERY)
        .means("Number of pieces, at least 1.", certain("D1 (R55)")),
    field("content_ids", "properties.content_ids", Texts, EVERY)
        .means("List of product ids.", certain("D1 (R53)")),
    field("num_items", "properties.num_items", Integer, EVERY)
        .means("Number of items in the event.", certain("D1 (R59)")),
    field("search_string", "properties.search_string", Text, EVERY).also(&["query"])
        .means("What the customer searched for.", certain("D1 (R59)")),
    field("description", "properties.description", Text, EVERY)
        .means("Description of the item or the page.", certain("D1 (R59)")),
    field("customer_type", "properties.customer_type", OneOf(CUSTOMER_TYPES), WEB_APP)
        .means("Whether the customer is new.", certain("D1 (R61)")),
    field("event_channel", "properties.event_channel", OneOf(EVENT_CHANNELS), EVERY)
        .means("Where the customer was reached; kept from the older schema.", likely("A2, P1, P5 (R60, R69)")),

    // Properties of travel
    field("travel_city", "properties.city", Text, WEB).of(Travel)
        .means("City of the hotel.", likely("P1, P5")),
    field("region", "properties.region", Text, WEB).of(Travel)
        .means("Region of the hotel.", likely("P1, P5")),
    field("travel_country", "properties.country", Text, WEB).of(Travel)
        .means("Country of the hotel.", likely("P1, P5")),
    field("checkin_date", "properties.checkin_date", Text, WEB).of(Travel)
        .means("Day of arrival at the hotel, YYYY-MM-DD.", likely("P1, P5")),
    field("checkout_date", "properties.checkout_date", Text, WEB).of(Travel)
        .means("Day of departure from the hotel, YYYY-MM-DD.", likely("P1, P5")),
    field("num_adults", "properties.num_adults", Integer, WEB).of(Travel)
        .means("Number of adults.", likely("P1, P5")),
    field("num_children", "properties.num_children", Integer, WEB).of(Travel)
        .means("Number of children.", likely("P1, P5")),
    field("num_infants", "properties.num_infants", Integer, WEB).of(Travel)
        .means("Number of infants on the flight.", likely("P1, P5")),
    field("suggested_hotels", "properties.suggested_hotels", Texts, WEB).of(Travel)
        .means("Hotels suggested to the customer.", likely("P1, P5")),
    field("departing_departure_date", "properties.departing_departure_date", Text, WEB).of(Travel)
        .means("Departure of the outbound journey, YYYY-MM-DD or a time with zone.", likely("P1, P5")),
    field("returning_departure_date", "properties.returning_departure_date", Text, WEB).of(Travel)
        .means("Departure of the return journey, YYYY-MM-DD or a time with zone.", likely("P1, P5")),
    field("departing_arrival_date", "properties.departing_arrival_date", Text, WEB).of(Travel)
        .means("Arrival of the outbound journey, YYYY-MM-DD or a time with zone.", likely("P1, P5")),
    field("returning_arrival_date", "properties.returning_arrival_date", Text, WEB).of(Travel)
        .means("Arrival of the return journey, YYYY-MM-DD or a time with zone.", likely("P1, P5")),
    field("origin_airport", "properties.origin_airport", Text, WEB).of(Travel)
        .means("Airport of departure.", likely("P1, P5")),
    field("destination_airport", "properties.destination_airport", Text, WEB).of(Travel)
        .means("Airport of arrival.", likely("P1, P5")),
    field("destination_ids", "properties.destination_ids", Texts, WEB).of(Travel)
        .means("Destinations of the catalogue that belong to the flight.", likely("P1, P5")),
    field("travel_class", "properties.travel_class", Text, WEB).of(Travel)
        .means("Class of the ticket; integrations disagree on the words.", likely("P1, P5")),
    field("user_score", "properties.user_score", Number, WEB).of(Travel)
        .means("Relative value of the potential customer to the advertiser.", likely("P1, P5")),
    field("preferred_num_stops", "properties.preferred_num_stops", Integer, WEB).of(Travel)
        .means("Number of stops looked for, 0 for a direct flight.", likely("P1, P5")),
    field("travel_start", "properties.travel_start", Text, WEB).of(Travel)
        .means("Start of the trip, YYYY-MM-DD or a time with zone.", likely("P1, P5")),
    field("travel_end", "properties.travel_end", Text, WEB).of(Travel)
        .means("End of the trip, YYYY-MM-DD or a time with zone.", likely("P1, P5")),
    field("suggested_destinations", "properties.suggested_destinations", Texts, WEB).of(Travel)
        .means("Ids of destinations suggested to the customer.", likely("P1, P5")),

    // Properties of vehicles
    field("postal_code", "properties.postal_code", Text, WEB).of(Vehicle)
        .means("Postal code of the vehicle's location.", likely("P1, P5")),
    field("make", "properties.make", Text, WEB).of(Vehicle)
        .means("Brand of the vehicle.", likely("P1, P5")),
    field("model", "properties.model", Text, WEB).of(Vehicle)
        .means("Model of the vehicle.", likely("P1, P5")),
    field("year", "properties.year", Integer, WEB).of(Vehicle)
        .means("Model year of the vehicle, four digits.", likely("P1, P5")),
    field("state_of_vehicle", "properties.state_of_vehicle", OneOf(VEHICLE_STATES), WEB).of(Vehicle)
        .means("Whether the vehicle is new, used or certified pre-owned.", likely("P1, P5")),
    field("mileage_value", "properties.mileage.value", Number, WEB).of(Vehicle)
        .means("Mileage of the vehicle, 0 when it is new.", likely("P1, P5")),
    field("mileage_unit", "properties.mileage.unit", OneOf(MILEAGE_UNITS), WEB).of(Vehicle)
        .means("Miles or kilometres.", likely("P1, P5")),
    field("exterior_color", "properties.exterior_color", Text, WEB).of(Vehicle)
        .means("Colour of the body.", likely("P1, P5")),
    field("interior_color", "properties.interior_color", Text, WEB).of(Vehicle)
        .means("Colour of the interior.", likely("P1, P5")),
    field("transmission", "properties.transmission", OneOf(TRANSMISSIONS), WEB).of(Vehicle)
        .means("Kind of transmission.", likely("P1, P5")),
    field("body_style", "properties.body_style", Text, WEB).of(Vehicle)
        .means("Kind of body, such as SUV or Sedan.", likely("P1, P5")),
    field("fuel_type", "properties.fuel_type", Text, WEB).of(Vehicle)
        .means("Kind of fuel, such as Diesel or Electric.", likely("P1, P5")),
    field("drivetrain", "properties.drivetrain", Text, WEB).of(Vehicle)
        .means("Kind of drivetrain, such as AWD or FWD.", likely("P1, P5")),
    field("preferred_price_range", "properties.preferred_price_range", Numbers, WEB).of(Vehicle)
        .means("Lowest and highest price looked for, as a list of two numbers.", likely("P1, P5")),
    field("trim", "properties.trim", Text, WEB).of(Vehicle)
        .means("Trim of the vehicle.", likely("P1, P5")),
    field("vin", "properties.vin", Text, WEB).of(Vehicle).plain()
        .means("Vehicle identification number, at most 17 characters.", likely("P1, P5")),
    field("condition_of_vehicle", "properties.condition_of_vehicle", Text, WEB).of(Vehicle)
        .means("Condition of the vehicle, such as Excellent or Good.", likely("P1, P5")),
    field("viewcontent_type", "properties.viewcontent_type", Text, WEB).of(Vehicle)
        .means("Kind of landing page of a ViewContent event.", likely("P1, P5")),
    field("search_type", "properties.search_type", Text, WEB).of(Vehicle)
        .means("Kind of search of a Search event.", likely("P1, P5")),
    field("registration_type", "properties.registration_type", Text, WEB).of(Vehicle)
        .means("Kind of registration of a CompleteRegistration event.", likely("P1, P5")),

    // Properties outside TikTok's table that integrations send
    field("status", "properties.status", Text, WEB_APP)
        .means("Status of the order, the item or the delivery.", likely("P1, D4 (R67)")),
    field("delivery_category", "properties.delivery_category", Text, WEB_APP)
        .means("Way of delivery.", likely("P1, D4 (R67)")),
    field("predicted_ltv", "properties.predicted_ltv", Number, WEB_APP)
        .means("Predicted lifetime value of the customer.", likely("P1, D4 (R67)")),

    // Page
    field("page_url", "page.url", Url, WEB_REQUIRED).also(&["url"]).plain()
        .means("URL of the page with its parameters.", certain("D1, A1 (R32)")),
    field("referrer_url", "page.referrer", Text, WEB).also(&["referrer"]).plain()
        .means("URL of the page before.", certain("D1")),

    // App
    field("app_id", "app.app_id", Text, APP_REQUIRED)
        .means("Store id or package name of the app.", certain("D1 (R33)")),
    field("app_name", "app.app_name", Text, APP)
        .means("Name of the app.", certain("D1")),
    field("app_version", "app.app_version", Text, APP)
        .means("Version of the app.", certain("D1")),

    // Ad
    field("callback", "ad.callback", Text, APP).plain()
        .means("Click id that TikTok passed to the tracking link.", certain("D1 (R65)")),
    field("campaign_id", "ad.campaign_id", Text, APP)
        .means("Campaign that the event is attributed to.", certain("D1 (R65)")),
    field("ad_id", "ad.ad_id", Text, APP)
        .means("Ad group that the event is attributed to.", certain("D1 (R65)")),
    field("creative_id", "ad.creative_id", Text, APP)
        .means("Ad that the event is attributed to.", certain("D1 (R65)")),
    field("attribution_type", "ad.attribution_type", Text, APP)
        .means("Kind of attribution.", certain("D1 (R65)")),
    field("attribution_provider", "ad.attribution_provider", Text, APP)
        .means("Who attributed the event.", certain("D1 (R65)")),
    field("is_retargeting", "ad.is_retargeting", Boolean, APP)
        .means("Whether the ad was shown to someone who knew the app.", certain("D1 (R65)")),
    field("attributed", "ad.attributed", Boolean, APP)
        .means("Whether the event is attributed to TikTok.", certain("D1 (R65)")),
    field("attribution_share", "ad.attribution_share", Number, WEB_APP)
        .means("Share of the event attributed to TikTok, from 0 to 1.", certain("D1 (R65)")),

    // Lead
    field("lead_id", "lead.lead_id", Text, CRM_REQUIRED).plain()
        .means("Id of the lead from a TikTok instant form.", certain("D1 (R34)")),
    field("lead_event_source", "lead.lead_event_source", Text, CRM)
        .means("Name of the CRM system.", certain("D1")),

    field("limited_data_use", "limited_data_use", Boolean, WEB_APP)
        .means("True asks TikTok to limit what it does with the event in some US states.", certain("D1, A1 (R62-R64)")),
];

/// The field of a column, by its canonical name or an alias, without regard to case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Field> {
    let named = |other: &str| other.eq_ignore_ascii_case(name);
    FIELDS.iter().find(|field| named(field.column) || field.aliases.iter().any(|alias| named(alias)))
}

/// The field of a column, by exactly its canonical name.
#[must_use]
pub fn by_column(column: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.column == column)
}

const fn certain(sources: &'static str) -> Citation {
    Citation::certain(sources)
}

const fn likely(sources: &'static str) -> Citation {
    Citation::likely(sources)
}

const fn field(column: &'static str, path: &'static str, kind: Kind, presence: [Presence; 4]) -> Field {
    Field {
        column,
        aliases: &[],
        path,
        kind,
        privacy: Privacy::Public,
        presence,
        vertical: None,
        meaning: "",
        citation: Citation::guess(""),
    }
}

impl Field {
    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn hashed(self) -> Self {
        Self { privacy: Privacy::Hashed, ..self }
    }

    const fn plain(self) -> Self {
        Self { privacy: Privacy::Plain, ..self }
    }

    const fn of(self, vertical: Vertical) -> Self {
        Self { vertical: Some(vertical), ..self }
    }

    const fn means(self, meaning: &'static str, citation: Citation) -> Self {
        Self { meaning, citation, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::contract::{Confidence, SOURCES};

    #[test]
    fn no_column_or_alias_appears_twice_in_any_case() {
        let mut seen = HashSet::new();
        for field in FIELDS {
            assert!(seen.insert(field.column.to_lowercase()), "{}", field.column);
            for alias in field.aliases {
                assert!(seen.insert(alias.to_lowercase()), "{alias}");
            }
        }
    }

    #[test]
    fn every_path_is_unique_and_the_objects_of_one_name_stand_together() {
        let mut seen = HashSet::new();
        assert!(FIELDS.iter().all(|field| seen.insert(field.path)));
        let mut objects: Vec<_> =
            FIELDS.iter().filter_map(|field| field.path.split_once('.')).map(|(object, _)| object).collect();
        objects.dedup();
        assert_eq!(objects, ["user", "properties", "page", "app", "ad", "lead"]);
    }

    #[test]
    fn every_row_has_a_meaning_and_a_source_that_exists_and_no_row_is_a_guess() {
        for field in FIELDS {
            assert!(field.meaning.ends_with('.') && !field.meaning.contains('|'), "{}", field.column);
            assert!(field.citation.confidence > Confidence::Guess, "{}", field.column);
            let tags = field.citation.sources.split(" (").next().expect("split gives one part at least");
            for tag in tags.split(", ") {
                assert!(SOURCES.iter().any(|(known, _)| *known == tag), "{}: {tag}", field.column);
            }
        }
    }

    #[test]
    fn personal_fields_are_those_of_the_contract() {
        let with = |privacy| {
            FIELDS.iter().filter(|field| field.privacy == privacy).map(|field| field.column).collect::<Vec<_>>()
        };
        assert_eq!(with(Privacy::Hashed), ["email", "phone", "external_id", "first_name", "last_name", "zip_code"]);
        let plain = with(Privacy::Plain);
        for column in ["ip", "agent", "tiktok_click_id", "cookie_id", "city", "country", "idfa", "gaid", "page_url"] {
            assert!(plain.contains(&column), "{column}");
        }
    }

    #[test]
    fn offline_events_identify_a_person_by_email_and_phone_only() {
        let user: Vec<_> = FIELDS
            .iter()
            .filter(|field| field.path.starts_with("user.") && field.presence(EventSource::Offline) != Absent)
            .map(|field| field.column)
            .collect();
        assert_eq!(user, ["email", "phone"]);
        assert_eq!(ANY_OF[0].columns, user);
    }

    #[test]
    fn each_source_requires_what_the_reference_page_says() {
        let required = |source| {
            FIELDS
                .iter()
                .filter(|field| field.presence(source) == Required)
                .map(|field| field.column)
                .collect::<Vec<_>>()
        };
        let common = ["event_source", "event_source_id", "event", "timestamp"];
        assert_eq!(required(EventSource::Offline), common);
        assert_eq!(required(EventSource::Web), [&common[..], &["page_url"]].concat());
        assert_eq!(required(EventSource::App), [&common[..], &["app_id"]].concat());
        assert_eq!(required(EventSource::Crm), [&common[..], &["lead_id"]].concat());
    }

    #[test]
    fn identity_columns_and_groups_name_columns_of_the_table() {
        assert!(IDENTITY.iter().chain(ANY_OF.iter().flat_map(|any| any.columns)).all(|name| by_column(name).is_some()));
    }

    #[test]
    fn finds_columns_by_alias_and_in_any_case() {
        let column = |name| find(name).map(|field| field.column);
        assert_eq!(column("Event_Time"), Some("timestamp"));
        assert_eq!(column("TTCLID"), Some("tiktok_click_id"));
        assert_eq!(column("store_id"), Some("shop_id"));
        assert_eq!(column("email_address"), None);
        assert!(by_column("event_time").is_none() && by_column("Email").is_none() && by_column("email").is_some());
    }

    #[test]
    fn items_are_the_six_columns_of_contents() {
        let items: Vec<_> = FIELDS.iter().filter(|field| field.is_item()).map(|field| field.column).collect();
        assert_eq!(items, ["content_id", "content_name", "content_category", "brand", "price", "quantity"]);
    }
}
