//! What a socket still has to do.

use std::collections::VecDeque;

use frontdesk_rooms::mailbox::Letter;
use frontdesk_rooms::store::Posted;

use super::super::conversation::Action;
use super::super::frame::Frame;

/// How many entries are made frames of at a time: what was missed may be five hundred large profiles.
const TOLD_AT_ONCE: usize = 16;

/// For how much an empty queue keeps room.
const KEPT: usize = 4;

/// What is to be done, in order. Empty, it takes little memory: most sockets are silent most of the time.
#[derive(Default)]
pub(super) struct Queue(VecDeque<Action>);

impl Queue {
    /// The next thing to do.
    pub(super) fn next(&mut self) -> Option<Action> {
        let next = self.0.pop_front();
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.clear();
        }
        next
    }

    /// What an outcome asks for comes before what was still to be done.
    pub(super) fn put_first(&mut self, actions: Vec<Action>) {
        for action in actions.into_iter().rev() {
            self.0.push_front(action);
        }
    }

    /// Makes way for a letter that cannot wait: before a close nothing is told any more.
    pub(super) fn give_way(&mut self, letter: &Letter<Frame>) {
        if matches!(letter, Letter::Close(_)) {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// Takes the first of what is to be told; the rest is done after them.
    pub(super) fn first_of(&mut self, mut posted: VecDeque<Posted>) -> Vec<Posted> {
        let first = posted.drain(..posted.len().min(TOLD_AT_ONCE)).collect();
        if !posted.is_empty() {
            self.0.push_front(Action::Tell(posted));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use frontdesk_rooms::mailbox::Closing;

    use super::super::super::conversation::tests::posted;
    use super::*;

    fn send(text: &'static str) -> Action {
        Action::Send(Bytes::from_static(text.as_bytes()))
    }

    fn telling(queue: &mut Queue) -> Vec<u64> {
        let Some(Action::Tell(posted)) = queue.next() else { return Vec::new() };
        queue.first_of(posted).iter().map(|posted| posted.entry.position.offset).collect()
    }

    #[test]
    fn what_was_missed_is_told_sixteen_at_a_time_and_each_time_sent_before_the_rest() {
        let mut queue = Queue::default();
        queue.put_first(vec![Action::Tell((1..=40).map(posted).collect()), send("last")]);
        for offsets in [1..=16, 17..=32, 33..=40] {
            assert_eq!(telling(&mut queue), offsets.collect::<Vec<_>>());
            queue.put_first(vec![send("one"), send("two")]);
            assert_eq!([queue.next(), queue.next()], [Some(send("one")), Some(send("two"))]);
        }
        assert_eq!([queue.next(), queue.next()], [Some(send("last")), None]);
    }

    #[test]
    fn a_close_drops_what_was_still_to_be_told_and_a_question_does_not() {
        let mut queue = Queue::default();
        queue.put_first(vec![send("one")]);
        queue.give_way(&Letter::Recheck);
        assert_eq!(queue.next(), Some(send("one")));
        for closing in [Closing::Deleted, Closing::Shutdown] {
            queue.put_first(vec![Action::Tell((1..=2).map(posted).collect()), send("one")]);
            queue.give_way(&Letter::Close(closing));
            assert_eq!(queue.next(), None);
        }
    }
}
