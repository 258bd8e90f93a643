//! What a socket does whose outcome it has to wait for.

use actix_web::web::Data;
use frontdesk_kernel::UserId;
use frontdesk_rooms::Position;
use frontdesk_rooms::hub::Seat;
use frontdesk_rooms::store::Posted;
use futures_util::future::LocalBoxFuture;

use super::super::closure::{Closure, Kind};
use super::super::conversation::{Credential, Entrance, Input};
use super::super::frame::Frame;
use super::super::ticket::REFUSED;
use crate::config::Services;

/// What was done, and the seat, which it may have held.
pub(super) type Done = (Option<Seat<Frame>>, Input);

/// Work that has to come to its end, even where the client hangs up meanwhile: a transaction that was given up would
/// leave its connection in it.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Closure> {
    tokio::spawn(work).await.map_err(|failed| {
        tracing::error!(cause = %failed, "the work of a socket was aborted");
        Kind::Internal.into()
    })
}

pub(super) fn authenticate(services: Data<Services>, token: String) -> LocalBoxFuture<'static, Done> {
    let services = services.into_inner();
    Box::pin(async move {
        let believing = to_the_end(async move { services.authentication.authenticate(&token).await });
        let outcome = match believing.await {
            Ok(believed) => Input::Authenticated(believed),
            Err(closure) => Input::Rechecked(Err(closure)),
        };
        (None, outcome)
    })
}

/// Asks again whether a credential is good.
pub(in super::super) async fn recheck(
    services: &Services,
    user_id: UserId,
    credential: &Credential,
) -> Result<(), Closure> {
    if let Some(claims) = credential.claims() {
        return services.authentication.recheck(claims).await.map_err(Closure::of);
    }
    match services.accounts.sees_all(user_id, None).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Kind::Unauthenticated.into()),
        Err(cause) => Err(Closure::of(cause)),
    }
}

pub(super) fn ask_again(
    services: Data<Services>,
    user_id: UserId,
    credential: Credential,
) -> LocalBoxFuture<'static, Done> {
    Box::pin(async move { (None, Input::Rechecked(recheck(&services, user_id, &credential).await)) })
}

pub(super) fn enter(
    services: Data<Services>,
    seat: Seat<Frame>,
    credential: Credential,
) -> LocalBoxFuture<'static, Done> {
    let services = services.into_inner();
    Box::pin(async move {
        let entering = to_the_end(async move {
            let entrance = entrance(&services, &seat, &credential).await;
            (seat, entrance)
        });
        match entering.await {
            Ok((seat, entrance)) => (Some(seat), Input::Entered(entrance)),
            Err(closure) => (None, Input::Entered(Err(closure))),
        }
    })
}

async fn entrance(services: &Services, seat: &Seat<Frame>, credential: &Credential) -> Result<Entrance, Closure> {
    // A ticket is taken without looking at when the token behind it ends.
    credential.still_runs(services.clock.now())?;
    // What was revoked, or claimed, before there was a seat told nobody to ask again.
    recheck(services, seat.user_id(), credential).await?;
    // A token outlives the account that it was made for.
    if services.room_frames.members(&[seat.user_id()]).await.map_err(Closure::of)?.is_empty() {
        return Err(Kind::Unauthenticated.into());
    }
    if let Credential::Ticket(ticket) = credential
        && !services.rooms.redeem(ticket.id, ticket.ends_at).await.map_err(Closure::of)?
    {
        return Err(REFUSED);
    }
    let entered = services.rooms.enter(seat).await?;
    let members = services.room_frames.members(&entered.present).await.map_err(Closure::of)?;
    Ok(Entrance { position: entered.position, heard_from: entered.heard_from, members })
}

pub(super) fn replay(
    services: Data<Services>,
    seat: Seat<Frame>,
    from: Position,
    to: Position,
) -> LocalBoxFuture<'static, Done> {
    Box::pin(async move {
        let missed = services.rooms.missed(&seat, from, to).await.map_err(Closure::of);
        (Some(seat), Input::Replayed(missed))
    })
}

/// Makes frames of some of what was missed.
pub(super) fn tell(services: Data<Services>, user_id: UserId, posted: Vec<Posted>) -> LocalBoxFuture<'static, Done> {
    Box::pin(async move { (None, Input::Told(services.rooms.told(user_id, &posted).await.map_err(Closure::of))) })
}
