//! Server-sent events as bytes (WHATWG HTML, section 9.2).

use std::io::Write as _;

use contracts::PostId;

use super::place::Place;
use super::{Event, Op};

/// How long a client waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 3000;

/// The beginning of every stream. The id gives the client a place to resume from before anything has happened: without
/// data it is no event.
pub(super) fn hello(out: &mut Vec<u8>, place: Option<Place>) {
    put(out, format_args!("retry: {RETRY_MS}\n"));
    match place {
        Some(place) => here(out, place),
        None => out.push(b'\n'),
    }
}

/// Moves the client's place without an event.
pub(super) fn here(out: &mut Vec<u8>, place: Place) {
    put(out, format_args!("id: {place}\n\n"));
}

/// A sign of life.
pub(super) fn comment(out: &mut Vec<u8>) {
    out.extend_from_slice(b":\n");
}

/// What was missed is not known here: the client reads its pages again.
pub(super) fn reset(out: &mut Vec<u8>, place: Place) {
    put(
        out,
        format_args!("event: reset\nid: {place}\ndata: {{}}\n\n"),
    );
}

/// An item that is not the reader's any longer, for another reason than its own change. It has no place: whoever is cut off
/// between two of these is told of the change of rights again, by a reset.
pub(super) fn lost(out: &mut Vec<u8>, id: PostId) {
    put(
        out,
        format_args!("event: remove\ndata: {{\"id\":\"{id}\"}}\n\n"),
    );
}

/// One change. JSON has no line ends of its own.
pub(super) fn event(out: &mut Vec<u8>, generation: u64, event: &Event) {
    let (name, place) = (
        event.op.name(),
        Place {
            generation,
            seq: event.seq,
        },
    );
    put(out, format_args!("event: {name}\nid: {place}\ndata: "));
    match event.op {
        Op::Remove => put(out, format_args!("{{\"id\":\"{}\"}}", event.id)),
        Op::Item | Op::Update => out.extend_from_slice(&event.item),
    }
    out.extend_from_slice(b"\n\n");
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every byte");
}
