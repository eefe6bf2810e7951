//! Which functions are handlers.

use axum::handler::Handler;

use super::answer::Answer;
use super::argument::Argument;
use super::describe::Description;
use super::table::{Guard, GuardKind};

/// A handler whose access is in its signature: an async function of one to eight arguments, the first a [`Guard`], the
/// others [`Argument`]s (the last may take the body), with an [`Answer`]. Implemented for functions, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of a route",
    label = "not an endpoint",
    note = "the first argument must be an access extractor (`kit::routes::Guard`), the others must be \
            `kit::routes::Argument`, what it returns must be `kit::routes::Answer`, and it must be an axum handler"
)]
pub trait Endpoint<T, S>: Handler<T, S> {
    /// The name of the access extractor.
    const GUARD: &'static str;
    /// Whom the access extractor lets in.
    const KIND: GuardKind;
    /// Tells what it takes and answers.
    fn describe(description: &mut Description);
}

macro_rules! endpoint {
    ($($ty:ident),*) => {
        impl<F, Fut, Out, M, S, G, $($ty,)*> Endpoint<(M, G, $($ty,)*), S> for F
        where
            F: Handler<(M, G, $($ty,)*), S> + FnOnce(G, $($ty,)*) -> Fut,
            Fut: Future<Output = Out>,
            Out: Answer,
            G: Guard,
            $($ty: Argument,)*
        {
            const GUARD: &'static str = G::NAME;
            const KIND: GuardKind = G::KIND;

            fn describe(description: &mut Description) {
                $($ty::describe(description);)*
                Out::describe(description);
            }
        }
    };
}

endpoint!();
endpoint!(A1);
endpoint!(A1, A2);
endpoint!(A1, A2, A3);
endpoint!(A1, A2, A3, A4);
endpoint!(A1, A2, A3, A4, A5);
endpoint!(A1, A2, A3, A4, A5, A6);
endpoint!(A1, A2, A3, A4, A5, A6, A7);
