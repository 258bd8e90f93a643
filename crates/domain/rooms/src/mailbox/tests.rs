use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use frontdesk_testkit::builders::user_id;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// The numbers that are told, those of earlier payloads included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbers(Vec<u64>);

impl Payload for Numbers {
    fn after(&self, earlier: &Self) -> Self {
        Self([earlier.0.as_slice(), self.0.as_slice()].concat())
    }
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn begun(offset: u64) -> Mailbox<Numbers> {
    let mailbox = Mailbox::default();
    mailbox.begin(offset);
    mailbox
}

fn update(mailbox: &Mailbox<Numbers>, offset: u64, of: UserId) {
    woken(mailbox.update(offset, of, Some(&Numbers(vec![offset]))));
}

fn presence(mailbox: &Mailbox<Numbers>, of: UserId, number: u64) {
    woken(mailbox.presence(of, &Numbers(vec![number])));
}

fn woken(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn next(mailbox: &Mailbox<Numbers>) -> Option<Letter<Numbers>> {
    match mailbox.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(letter) => Some(letter),
        Poll::Pending => None,
    }
}

fn rest(mailbox: &Mailbox<Numbers>) -> Vec<Letter<Numbers>> {
    let is_over = |letter: &Letter<_>| matches!(letter, Letter::Close(_));
    let mut letters = Vec::new();
    while let Some(letter) = next(mailbox) {
        let was_last = is_over(&letter);
        letters.push(letter);
        if was_last {
            break;
        }
    }
    letters
}

fn sent(numbers: &[u64]) -> Letter<Numbers> {
    Letter::Send(Numbers(numbers.to_vec()))
}

fn users(count: usize) -> Vec<UserId> {
    (0..count).map(|_| user_id()).collect()
}

#[test]
fn letters_come_in_the_order_in_which_they_were_put() {
    let (mailbox, ada) = (begun(4), user_id());
    update(&mailbox, 5, ada);
    presence(&mailbox, ada, 100);
    update(&mailbox, 6, ada);
    assert_eq!(rest(&mailbox), [sent(&[5]), sent(&[100]), sent(&[6])]);
}

#[test]
fn an_entry_is_told_once_and_none_from_before_the_beginning() {
    let (mailbox, ada) = (begun(4), user_id());
    for offset in [3, 4, 5, 5, 4, 6] {
        update(&mailbox, offset, ada);
    }
    assert_eq!(rest(&mailbox), [sent(&[5]), sent(&[6])]);
}

#[test]
fn before_the_beginning_no_entry_is_told_and_whoever_comes_is() {
    let (mailbox, ada) = (Mailbox::default(), user_id());
    update(&mailbox, 1, ada);
    woken(mailbox.resync(None));
    presence(&mailbox, ada, 100);
    mailbox.begin(0);
    update(&mailbox, 1, ada);
    assert_eq!(rest(&mailbox), [sent(&[100]), sent(&[1])]);
}

#[test]
fn however_many_come_before_the_beginning_the_box_stays_open() {
    let mailbox = Mailbox::default();
    for (number, user) in users(3 * CAPACITY).into_iter().enumerate() {
        presence(&mailbox, user, number as u64);
    }
    let letters = rest(&mailbox);
    assert_eq!((letters.len(), letters.last()), (CAPACITY, Some(&sent(&[3 * CAPACITY as u64 - 1]))));
}

#[test]
fn an_entry_that_the_reader_is_not_told_of_is_known_all_the_same() {
    let (mailbox, ada) = (begun(0), user_id());
    woken(mailbox.update(1, ada, None));
    update(&mailbox, 1, ada);
    assert_eq!(rest(&mailbox), []);
}

#[test]
fn in_a_full_box_the_updates_of_one_user_become_one() {
    let (mailbox, users) = (begun(0), users(2));
    for offset in 1..=64 {
        update(&mailbox, offset, users[usize::try_from(offset).unwrap() % 2]);
    }
    update(&mailbox, 65, users[0]);
    let (odd, even): (Vec<u64>, Vec<u64>) = (1..=64).partition(|offset| offset % 2 == 1);
    assert_eq!(rest(&mailbox), [sent(&odd), sent(&even), sent(&[65])]);
}

#[test]
fn an_update_and_a_coming_are_never_one() {
    let (mailbox, ada) = (begun(0), user_id());
    update(&mailbox, 1, ada);
    presence(&mailbox, ada, 100);
    (2..=65).for_each(|offset| update(&mailbox, offset, ada));
    let until = (1..=63).collect::<Vec<u64>>();
    assert_eq!(rest(&mailbox), [sent(&[100]), sent(&until), sent(&[64]), sent(&[65])]);
}

#[test]
fn a_reader_who_is_too_far_behind_is_closed_and_told_nothing_more() {
    let mailbox = begun(0);
    for (index, user) in users(CAPACITY + 1).into_iter().enumerate() {
        update(&mailbox, index as u64 + 1, user);
    }
    assert_eq!(rest(&mailbox), [Letter::Close(Closing::Behind)]);
    update(&mailbox, 1_000, user_id());
    assert_eq!(rest(&mailbox), [Letter::Close(Closing::Behind)]);
}

#[test]
fn what_waits_is_told_before_the_close_and_the_first_reason_counts() {
    let (mailbox, ada) = (begun(0), user_id());
    update(&mailbox, 1, ada);
    woken(mailbox.close(Closing::Deleted));
    woken(mailbox.close(Closing::Shutdown));
    update(&mailbox, 2, ada);
    assert_eq!(rest(&mailbox), [sent(&[1]), Letter::Close(Closing::Deleted)]);
}

#[test]
fn a_credential_is_asked_for_again_before_anything_is_told_and_once() {
    let (mailbox, ada) = (begun(0), user_id());
    update(&mailbox, 1, ada);
    woken(mailbox.recheck());
    woken(mailbox.recheck());
    assert_eq!(rest(&mailbox), [Letter::Recheck, sent(&[1])]);
}

#[test]
fn what_is_urgent_overtakes_what_waits_and_being_behind_is_not() {
    let (mailbox, ada) = (begun(0), user_id());
    update(&mailbox, 1, ada);
    assert_eq!(mailbox.urgent(), None);
    woken(mailbox.recheck());
    assert_eq!((mailbox.urgent(), mailbox.urgent()), (Some(Letter::Recheck), None));
    woken(mailbox.close(Closing::Deleted));
    assert_eq!(mailbox.urgent(), Some(Letter::Close(Closing::Deleted)));
    let slow = begun(0);
    woken(slow.close(Closing::Behind));
    assert_eq!(slow.urgent(), None);
}

#[test]
fn entries_that_come_all_at_once_close_nobody() {
    let (mailbox, epoch) = (begun(0), crate::Epoch::new(Uuid::nil()));
    let offsets = 1..=LATE_CAPACITY as u64 + 2;
    for offset in offsets {
        woken(mailbox.late_update(Position { epoch, offset }, user_id(), Some(&Numbers(vec![offset]))));
    }
    woken(mailbox.late_presence(user_id(), &Numbers(vec![0])));
    let position = Position { epoch, offset: LATE_CAPACITY as u64 + 1 };
    let last = LATE_CAPACITY as u64 + 2;
    assert_eq!(rest(&mailbox), [Letter::Resync(Some(position)), sent(&[last]), sent(&[0])]);
}

#[test]
fn what_came_late_takes_no_room_from_what_comes_in_time() {
    let (mailbox, epoch) = (begun(0), crate::Epoch::new(Uuid::nil()));
    let late = 10 * CAPACITY as u64;
    for offset in 1..=late {
        woken(mailbox.late_update(Position { epoch, offset }, user_id(), Some(&Numbers(vec![offset]))));
    }
    for offset in late + 1..=late + CAPACITY as u64 {
        update(&mailbox, offset, user_id());
    }
    assert_eq!(rest(&mailbox).len(), 11 * CAPACITY);
    // Once they are read, there is no more room than for anybody.
    for offset in 0..=CAPACITY as u64 {
        update(&mailbox, 12 * late + offset, user_id());
    }
    assert_eq!(rest(&mailbox), [Letter::Close(Closing::Behind)]);
}

#[test]
fn more_who_come_and_go_at_once_than_there_is_room_for_are_not_told() {
    let mailbox = begun(0);
    for number in 0..=(LATE_CAPACITY as u64) {
        woken(mailbox.late_presence(user_id(), &Numbers(vec![number])));
    }
    let letters = rest(&mailbox);
    assert_eq!((letters.len(), letters.last()), (LATE_CAPACITY, Some(&sent(&[LATE_CAPACITY as u64 - 1]))));
}

#[test]
fn a_log_that_begins_anew_is_told_from_there() {
    let (mailbox, ada) = (begun(9), user_id());
    let position = Position { epoch: crate::Epoch::new(Uuid::nil()), offset: 2 };
    woken(mailbox.resync(Some(position)));
    update(&mailbox, 2, ada);
    update(&mailbox, 3, ada);
    assert_eq!(rest(&mailbox), [Letter::Resync(Some(position)), sent(&[3])]);
}

#[test]
fn whoever_waits_is_woken_by_what_comes_and_by_nothing_else() {
    let (mailbox, ada, bell) = (begun(4), user_id(), Arc::new(Bell::default()));
    let waker = Waker::from(Arc::clone(&bell));
    let rings = || bell.0.load(Ordering::Relaxed);
    assert!(mailbox.poll_next(&mut Context::from_waker(&waker)).is_pending());
    update(&mailbox, 4, ada);
    woken(mailbox.update(5, ada, None));
    assert_eq!(rings(), 0);
    update(&mailbox, 6, ada);
    assert_eq!(rings(), 1);
    update(&mailbox, 7, ada);
    assert_eq!(rings(), 1, "nobody waits any more");
}

proptest! {
    /// Whatever comes, and however slowly it is read: an open box has told every entry of every user, in the order of
    /// each user, and never holds more than it may.
    #[test]
    fn nothing_is_lost_but_by_a_close(
        // Of which user the next entry is; `None` reads a letter.
        steps in prop::collection::vec(prop::option::weighted(0.8, 0..70_usize), 0..400),
    ) {
        let (mailbox, users) = (begun(0), users(70));
        let (mut put, mut offset) = (BTreeMap::<usize, Vec<u64>>::new(), 0);
        let mut told = Vec::new();
        for step in steps {
            match step {
                None => told.extend(next(&mailbox)),
                Some(user) => {
                    offset += 1;
                    put.entry(user).or_default().push(offset);
                    update(&mailbox, offset, users[user]);
                    prop_assert!(mailbox.lock().items.len() <= CAPACITY);
                }
            }
        }
        told.extend(rest(&mailbox));
        if !told.contains(&Letter::Close(Closing::Behind)) {
            let mut numbers: Vec<u64> = Vec::new();
            for letter in &told {
                let Letter::Send(Numbers(of_one)) = letter else { panic!("{letter:?}") };
                prop_assert!(of_one.is_sorted());
                numbers.extend(of_one);
            }
            for of_one in put.values() {
                let mut positions = of_one.iter().map(|number| numbers.iter().position(|told| told == number));
                prop_assert!(positions.all(|position| position.is_some()));
                let order: Vec<_> = numbers.iter().filter(|number| of_one.contains(number)).collect();
                prop_assert!(order.is_sorted());
            }
            prop_assert_eq!(numbers.len() as u64, offset);
        }
    }
}
