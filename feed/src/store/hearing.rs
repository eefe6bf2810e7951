//! What a stream and its change log are to one live reader: pure, both at one moment.

use contracts::{Audience, PostId, UserId};

use crate::change::Rights;
use crate::live::{Event, Heard, Listener, Log, Op, Place, Told, Tuned, Turned, meets};

/// `rights` are the reader's at `end`, which the log reaches.
pub(super) fn tune(
    log: &Log,
    end: Place,
    rights: Option<Rights>,
    user: UserId,
    from: Option<Place>,
) -> Tuned {
    // What somebody missed while they had other rights is not theirs to hear, and what they had nobody knows here.
    let known =
        from.filter(|place| log.reaches(*place) && log.rights_after(*place, user).is_none());
    Tuned::At {
        place: known.unwrap_or(end),
        end: end.seq,
        resumed: known.is_some(),
        rights,
    }
}

/// `name_of`: an author's name today, as JSON.
pub(super) fn hear<'n>(
    log: &Log,
    mut name_of: impl FnMut(UserId) -> Option<&'n str>,
    listener: &Listener,
    most: usize,
) -> Heard {
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
                let name = name_of(shown_then.by);
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

/// The reader has what their audiences showed at their place: the stream of now, with the changes since undone. `shown` is what
/// the lines that differ hold now, or held when the log was shorter; an item may come more than once.
pub(super) fn turn<'a>(
    shown: impl Iterator<Item = (PostId, &'a [Audience])>,
    log: &'a Log,
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
    let mut gone = Vec::new();
    for (id, then) in shown
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

/// The lines of one that are not of the other: only what is on those can come or go.
pub(super) fn differing<'a>(
    had: &'a [Audience],
    audiences: &'a [Audience],
) -> impl Iterator<Item = &'a Audience> {
    had.iter()
        .chain(audiences)
        .filter(move |key| !(had.contains(key) && audiences.contains(key)))
}
