//! Spans as `ExportTraceServiceRequest` of OTLP, in protobuf.
//!
//! Seven messages of a handful of fields that never change their numbers: written by hand they need no generator, no second
//! HTTP client and no thread of their own (docs/decisions.md). The tests read them with prost.

use super::span::{Attribute, Ended, Value};

/// What all spans of a process share.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    attributes: Vec<Attribute>,
}

impl Resource {
    pub(super) fn new(service: &str, version: &str, instance: &str) -> Self {
        Self {
            attributes: vec![
                ("service.name", service.into()),
                ("service.version", version.into()),
                ("service.instance.id", instance.into()),
            ],
        }
    }
}

/// The request that tells these spans.
pub(super) fn request(resource: &Resource, spans: &[Ended]) -> Vec<u8> {
    let mut out = Message::default();
    // ExportTraceServiceRequest.resource_spans
    out.message(1, |out| {
        // ResourceSpans.resource
        out.message(1, |out| out.attributes(1, &resource.attributes));
        // ResourceSpans.scope_spans
        out.message(2, |out| {
            // ScopeSpans.scope
            out.message(1, |out| {
                out.bytes(1, b"kit");
                out.bytes(2, crate::VERSION.as_bytes());
            });
            for span in spans {
                out.message(2, |out| out.span(span));
            }
        });
    });
    out.0
}

/// The bytes of a message so far.
#[derive(Default)]
struct Message(Vec<u8>);

/// How a field is written.
#[derive(Clone, Copy)]
enum Form {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Fixed32 = 5,
}

impl Message {
    fn span(&mut self, span: &Ended) {
        let Ended {
            name,
            at,
            parent,
            kind,
            began,
            ended,
            failed,
            attributes,
        } = span;
        self.bytes(1, &at.trace.get().to_be_bytes());
        self.bytes(2, &at.span.get().to_be_bytes());
        if let Some(parent) = parent {
            self.bytes(4, &parent.get().to_be_bytes());
        }
        self.bytes(5, name.as_bytes());
        self.number(6, *kind as u64);
        self.fixed64(7, *began);
        self.fixed64(8, *ended);
        self.attributes(9, attributes);
        if *failed {
            // Status.code: STATUS_CODE_ERROR
            self.message(15, |out| out.number(3, 2));
        }
        // SPAN_FLAGS: sampled
        self.tag(16, Form::Fixed32);
        self.0.extend_from_slice(&u32::from(at.told).to_le_bytes());
    }

    fn attributes(&mut self, field: u32, attributes: &[Attribute]) {
        for (key, value) in attributes {
            self.message(field, |out| {
                out.bytes(1, key.as_bytes());
                out.message(2, |out| match value {
                    Value::Text(text) => out.bytes(1, text.as_bytes()),
                    // two's complement, as the format has it
                    Value::Number(number) => out.number(3, number.cast_unsigned()),
                });
            });
        }
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, Form::Length);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, field: u32, number: u64) {
        self.tag(field, Form::Varint);
        self.varint(number);
    }

    fn fixed64(&mut self, field: u32, number: u64) {
        self.tag(field, Form::Fixed64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn tag(&mut self, field: u32, form: Form) {
        self.varint(u64::from((field << 3) | form as u32));
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}
