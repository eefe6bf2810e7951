//! What a stream and its change log are to one live reader: pure, both at one moment.

use contracts::{Audience, UserId};

use crate::live::{Event, Heard, Listener, Log, Op, Place, Told, Tuned, Turned, meets};
use crate::projection::Projection;

pub(super) fn tune(shown: &Projection, log: &Log, user: UserId, from: Option<Place>) -> Tuned {
    let end = log.end();
    // What somebody missed while they had other rights is not theirs to hear, and what they had nobody knows here.
    let known =
        from.filter(|place| log.reaches(*place) && log.rights_after(*place, user).is_none());
    Tuned::At {
        place: known.unwrap_or(end),
        end: end.seq,
        resumed: known.is_some(),
        rights: shown.rights_of(user),
    }
}

pub(super) fn hear(shown: &Projection, log: &Log, listener: &Listener, most: usize) -> Heard {
    let mut place = listener.place;
    if !log.reaches(place) {
        return Heard::Reset;
    }
    // Rights first: what happened before they changed is told by today's.
    let seen = Place {
        seq: listener.rights_seen.max(place.seq),
        ..place
    };
    if let Some((seq, rights)) = log.rights_after(seen, listener.user) {
        return Heard::Rights(seq, rights);
    }
    let (mut events, mut bytes) = (Vec::new(), 0);
    for (seq, told) in log.after(place) {
        if let Told::Item(item) = told
            && let Some(op) = item.to(&listener.audiences)
        {
            let mut json = Vec::new();
            if let Some(shown_then) = item.after().filter(|_| op != Op::Remove) {
                let name = shown.name_of(shown_then.by);
                let reader = Some(listener.audiences.as_slice());
                shown_then
                    .body
                    .write(&mut json, name, &shown_then.to, reader);
            }
            bytes += json.len();
            events.push(Event {
                seq,
                op,
                id: item.id,
                item: json,
            });
        }
        place.seq = seq;
        if bytes >= most {
            break;
        }
    }
    Heard::News(events, place)
}

/// The reader has what their audiences showed at their place: the stream of now, with the changes since undone.
pub(super) fn turn(
    shown: &Projection,
    log: &Log,
    listener: &Listener,
    audiences: &[Audience],
) -> Turned {
    if !log.reaches(listener.place) {
        return Turned::Reset;
    }
    let had = listener.audiences.as_slice();
    let undone = log.undone(listener.place);
    let gained = |then: &[Audience]| meets(then, audiences) && !meets(then, had);
    let lost = |then: &[Audience]| meets(then, had) && !meets(then, audiences);
    let differ = |key: &&Audience| !(had.contains(key) && audiences.contains(key));
    let mut gone = Vec::new();
    for (id, then) in shown
        .shown_in(had.iter().chain(audiences).filter(differ))
        .filter(|(id, _)| !undone.contains_key(id))
        .chain(undone.iter().map(|(id, then)| (*id, &***then)))
    {
        if gained(then) {
            return Turned::Reset;
        }
        if lost(then) {
            gone.push(id);
        }
    }
    gone.sort_unstable_by(|a, b| b.cmp(a));
    gone.dedup();
    Turned::Lost(gone)
}
