//! Which keys there are and what may stand in them: read from Traefik's source, and written down here once more, apart from
//! the types that write. Both must agree before anything is written.

use super::name::Name;
use super::object::ROOT;
use super::router::EntryPoint;
use super::value::Statuses;
use super::{Address, Host, Item, PathText, Pem, Reference, Rule, Socket, Text, Unwritable};

/// What a value is.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Bool,
    Number,
    Duration,
    Status,
    Statuses,
    Name,
    Reference,
    EntryPoint,
    Rule,
    HostSni,
    Socket,
    Address,
    Path,
    Page,
    Pem,
    Text,
    HeaderName,
    MediaType,
    Breaker,
}

/// Keys behind the root. `*` is a name of ours, `#` a place in a list, `<>` a name of a header, `-` statuses.
const KEYS: &[(&str, Shape)] = &[
    ("tls/certificates/900/certFile", Shape::Pem),
    ("tls/certificates/900/keyFile", Shape::Pem),
    ("http/serversTransports/*/rootCAs/#", Shape::Pem),
    ("http/services/*/middlewares/#", Shape::Name),
    ("http/services/*/weighted/services/#/name", Shape::Reference),
    ("http/services/*/weighted/services/#/weight", Shape::Number),
    ("http/services/*/loadBalancer/servers/#/url", Shape::Address),
    ("http/services/*/loadBalancer/serversTransport", Shape::Name),
    ("http/services/*/loadBalancer/passHostHeader", Shape::Bool),
    (
        "http/middlewares/*/headers/customResponseHeaders/<>",
        Shape::Text,
    ),
    ("http/middlewares/*/rateLimit/average", Shape::Number),
    ("http/middlewares/*/rateLimit/burst", Shape::Number),
    ("http/middlewares/*/rateLimit/period", Shape::Duration),
    (
        "http/middlewares/*/rateLimit/sourceCriterion/ipStrategy/depth",
        Shape::Number,
    ),
    (
        "http/middlewares/*/rateLimit/sourceCriterion/ipStrategy/ipv6Subnet",
        Shape::Number,
    ),
    ("http/middlewares/*/inFlightReq/amount", Shape::Number),
    (
        "http/middlewares/*/inFlightReq/sourceCriterion/ipStrategy/depth",
        Shape::Number,
    ),
    (
        "http/middlewares/*/inFlightReq/sourceCriterion/ipStrategy/ipv6Subnet",
        Shape::Number,
    ),
    (
        "http/middlewares/*/compress/excludedContentTypes/#",
        Shape::MediaType,
    ),
    ("http/middlewares/*/errors/status/#", Shape::Statuses),
    ("http/middlewares/*/errors/statusRewrites/-", Shape::Status),
    ("http/middlewares/*/errors/service", Shape::Name),
    ("http/middlewares/*/errors/query", Shape::Page),
    (
        "http/middlewares/*/errors/errorRequestHeaders/#",
        Shape::HeaderName,
    ),
    ("http/middlewares/*/forwardAuth/address", Shape::Address),
    (
        "http/middlewares/*/forwardAuth/trustForwardHeader",
        Shape::Bool,
    ),
    (
        "http/middlewares/*/forwardAuth/maxResponseBodySize",
        Shape::Number,
    ),
    (
        "http/middlewares/*/forwardAuth/authRequestHeaders/#",
        Shape::HeaderName,
    ),
    (
        "http/middlewares/*/forwardAuth/authResponseHeaders/#",
        Shape::HeaderName,
    ),
    ("http/middlewares/*/forwardAuth/tls/ca", Shape::Pem),
    (
        "http/middlewares/*/buffering/maxRequestBodyBytes",
        Shape::Number,
    ),
    (
        "http/middlewares/*/circuitBreaker/expression",
        Shape::Breaker,
    ),
    (
        "http/middlewares/*/circuitBreaker/checkPeriod",
        Shape::Duration,
    ),
    (
        "http/middlewares/*/circuitBreaker/fallbackDuration",
        Shape::Duration,
    ),
    (
        "http/middlewares/*/circuitBreaker/recoveryDuration",
        Shape::Duration,
    ),
    (
        "http/middlewares/*/circuitBreaker/responseCode",
        Shape::Status,
    ),
    ("http/middlewares/*/retry/attempts", Shape::Number),
    ("http/middlewares/*/retry/initialInterval", Shape::Duration),
    ("http/middlewares/*/retry/timeout", Shape::Duration),
    (
        "http/middlewares/*/retry/maxRequestBodyBytes",
        Shape::Number,
    ),
    (
        "http/middlewares/*/retry/disableRetryOnNetworkError",
        Shape::Bool,
    ),
    ("http/middlewares/*/retry/status/#", Shape::Statuses),
    ("http/middlewares/*/addPrefix/prefix", Shape::Path),
    ("http/middlewares/*/replacePath/path", Shape::Path),
    ("http/routers/*/entryPoints/#", Shape::EntryPoint),
    ("http/routers/*/parentRefs/#", Shape::Name),
    ("http/routers/*/middlewares/#", Shape::Name),
    ("http/routers/*/observability/accessLogs", Shape::Bool),
    ("http/routers/*/priority", Shape::Number),
    ("http/routers/*/service", Shape::Reference),
    ("http/routers/*/rule", Shape::Rule),
    (
        "tcp/services/*/loadBalancer/servers/#/address",
        Shape::Socket,
    ),
    ("tcp/routers/*/entryPoints/#", Shape::EntryPoint),
    ("tcp/routers/*/service", Shape::Name),
    ("tcp/routers/*/tls/passthrough", Shape::Bool),
    ("tcp/routers/*/rule", Shape::HostSni),
];

/// Whether Traefik takes this value under this key.
///
/// # Errors
/// A key that is not known, or a value that is not of its kind. A private key is not repeated.
pub fn check(key: &str, value: &str) -> Result<(), Unwritable> {
    let shape = key.strip_prefix(ROOT).and_then(shape_of);
    let Some(shape) = shape else {
        return Err(Unwritable::new("the key", key, "there is no such option"));
    };
    shape.check(value).map_err(|reason| Unwritable {
        value: match shape {
            Shape::Pem => format!("{key} = .."),
            _ => Unwritable::new("", &format!("{key} = {value}"), "").value,
        },
        what: "the value",
        reason,
    })
}

fn shape_of(key: &str) -> Option<Shape> {
    let found = KEYS.iter().find(|(pattern, _)| fits(pattern, key));
    found.map(|(_, shape)| *shape)
}

fn fits(pattern: &str, key: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), key.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if fits_part(pattern, part) => {}
            _ => return false,
        }
    }
}

fn fits_part(pattern: &str, part: &str) -> bool {
    match pattern {
        "*" => Name::is_ours(part),
        "#" => part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_digit()),
        "<>" => is_header(part),
        "-" => is_statuses(part),
        _ => pattern == part,
    }
}

/// A name of a header in its usual form. One of digits only would be taken for a place in a list.
fn is_header(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(fits)
}

fn is_statuses(text: &str) -> bool {
    let ends = text
        .split_once('-')
        .and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    ends.and_then(|(from, to)| Statuses::new(from, to).ok())
        .is_some_and(|statuses| statuses.to_string() == text)
}

/// A whole number without sign, as it is usually written.
fn is_number(text: &str) -> bool {
    text.parse::<i64>()
        .is_ok_and(|number| number >= 0 && number.to_string() == text)
}

impl Shape {
    fn check(self, value: &str) -> Result<(), &'static str> {
        let is = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };
        let no = |unwritable: Unwritable| unwritable.reason;
        match self {
            Self::Bool => is(matches!(value, "true" | "false"), "it is true or false"),
            Self::Number => is(is_number(value), "it is a whole number without sign"),
            Self::Duration => is(
                value.strip_suffix("ms").is_some_and(is_number),
                "it is a number of milliseconds",
            ),
            Self::Status => is(
                value.len() == 3 && value.parse().is_ok_and(|n: u16| (100..600).contains(&n)),
                "it is a status",
            ),
            Self::Statuses => is(is_statuses(value), "it is two statuses"),
            Self::Name => is(Name::is_ours(value), "it is the name of an object of ours"),
            Self::Reference => is(Reference::read(value).is_some(), "it names a service"),
            Self::EntryPoint => is(
                EntryPoint::ALL.iter().any(|point| point.as_str() == value),
                "it is an entry point",
            ),
            Self::Rule => {
                let back = Rule::parse(value).map_err(no)?;
                is(back.to_string() == value, "it reads back as another rule")
            }
            Self::HostSni => {
                let host = value.strip_prefix("HostSNI(`");
                let host = host.and_then(|rest| rest.strip_suffix("`)"));
                let same = |host: &str| Host::new(host).is_ok_and(|read| read.as_str() == host);
                is(host.is_some_and(same), "it names one host")
            }
            Self::Socket => is(
                Socket::read(value).is_some(),
                "it is an address with a port",
            ),
            Self::Address => Address::new(value).map(drop).map_err(no),
            Self::Path => PathText::new(value).map(drop).map_err(no),
            Self::Page => {
                let path = value.strip_suffix("/{status}").unwrap_or(value);
                PathText::new(path).map(drop).map_err(no)
            }
            Self::Pem => Pem::new(value).map(drop).map_err(no),
            Self::Text => Text::new(value).map(drop).map_err(no),
            Self::HeaderName => is(is_header(value), "it is the name of a header"),
            Self::MediaType => {
                Item::new(value).map_err(no)?;
                let parts = value.split_once('/');
                is(
                    parts.is_some_and(|(kind, of)| is_word(kind) && is_word(of)),
                    "it is a media type",
                )
            }
            Self::Breaker => {
                let share = value.strip_prefix("NetworkErrorRatio() > 0.");
                let share = share.filter(|share| share.len() == 2);
                is(
                    share.is_some_and(|share| share.bytes().all(|byte| byte.is_ascii_digit())),
                    "it is an expression of a breaker",
                )
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.+".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}
