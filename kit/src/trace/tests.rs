//! What is told is what a collector reads.

#[path = "../../tests/common/otlp.rs"]
mod otlp;

use std::num::{NonZeroU64, NonZeroU128};

use proptest::prelude::*;
use prost::Message as _;

use super::span::{Ended, Kind, Value, is_told};
use super::w3c::Traceparent;
use super::wire::{Resource, request};

fn trace() -> impl Strategy<Value = NonZeroU128> {
    (1u128..).prop_map(|id| id.try_into().unwrap())
}

fn span() -> impl Strategy<Value = NonZeroU64> {
    (1u64..).prop_map(|id| id.try_into().unwrap())
}

fn spans() -> impl Strategy<Value = Vec<Ended>> {
    let value = prop_oneof![
        any::<String>().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Number)
    ];
    let attributes = proptest::collection::vec((Just("http.route"), value), 0..4);
    let kind = prop_oneof![Just(Kind::Server), Just(Kind::Client), Just(Kind::Consumer)];
    let ids = (trace(), span(), proptest::option::of(span()));
    let span = (
        any::<String>(),
        ids,
        kind,
        any::<[u64; 2]>(),
        any::<[bool; 2]>(),
        attributes,
    );
    let span = span.prop_map(
        |(name, (trace, span, parent), kind, [began, ended], [failed, told], attributes)| Ended {
            name,
            at: Traceparent { trace, span, told },
            parent,
            kind,
            began,
            ended,
            failed,
            attributes,
        },
    );
    proptest::collection::vec(span, 0..20)
}

proptest! {
    #[test]
    fn every_span_is_read_as_it_was(spans in spans()) {
        let bytes = request(&Resource::new("things", "1.2", "one"), &spans);
        let read = otlp::Request::decode(&*bytes).unwrap();
        let [resource_spans] = &*read.resource_spans else { panic!("{read:?}") };
        let resource = resource_spans.resource.clone().unwrap();
        prop_assert_eq!(otlp::shown(&resource.attributes), "service.name=things service.version=1.2 service.instance.id=one");
        let [scope_spans] = &*resource_spans.scope_spans else { panic!("{read:?}") };
        prop_assert_eq!(scope_spans.spans.len(), spans.len());
        for (read, span) in scope_spans.spans.iter().zip(&spans) {
            prop_assert_eq!(&read.name, &span.name);
            prop_assert_eq!(&*read.trace_id, span.at.trace.get().to_be_bytes());
            prop_assert_eq!(&*read.span_id, span.at.span.get().to_be_bytes());
            let parent = span.parent.map_or(Vec::new(), |parent| parent.get().to_be_bytes().to_vec());
            prop_assert_eq!(&read.parent_span_id, &parent);
            prop_assert_eq!((read.kind, read.start, read.end), (span.kind as i32, span.began, span.ended));
            prop_assert_eq!(read.status.as_ref().map(|status| status.code), span.failed.then_some(2));
            prop_assert_eq!(read.flags, u32::from(span.at.told));
            for (read, (key, value)) in read.attributes.iter().zip(&span.attributes) {
                let read_value = read.value.clone().unwrap();
                prop_assert_eq!(&read.key, key);
                match value {
                    Value::Text(text) => prop_assert_eq!(read_value.text.as_ref(), Some(text)),
                    Value::Number(number) => prop_assert_eq!(read_value.number, Some(*number)),
                }
            }
            prop_assert_eq!(read.attributes.len(), span.attributes.len());
        }
    }

    #[test]
    fn a_percentage_tells_nothing_at_0_everything_at_100_and_more_with_more(trace in trace(), percent in 0u8..100) {
        prop_assert!(!is_told(trace, 0));
        prop_assert!(is_told(trace, 100));
        prop_assert!(!is_told(trace, percent) || is_told(trace, percent + 1));
    }
}
