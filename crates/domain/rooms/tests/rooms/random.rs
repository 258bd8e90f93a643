//! Whatever happens in whatever order, every socket is told what comes after its beginning, once and in order.

use frontdesk_kernel::Event;
use frontdesk_rooms::Rooms;
use frontdesk_rooms::hub::Seat;
use frontdesk_testkit::builders::user_id;
use proptest::prelude::*;

use crate::common::{Words, World, hear, letters, room, updated};
use frontdesk_rooms::mailbox::Letter;

#[derive(Debug, Clone)]
enum Step {
    /// A socket takes its seat on a node.
    Sit(usize),
    /// One that sits comes in.
    Enter(prop::sample::Index),
    /// A member changes something.
    Post,
    /// A node hears of a change; it may be any, again, or never.
    Hear(usize, prop::sample::Index),
    /// A node looks for what it has missed.
    CatchUp(usize),
    /// A socket is gone.
    Leave(prop::sample::Index),
}

const NODES: usize = 2;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..NODES).prop_map(Step::Sit),
        3 => any::<prop::sample::Index>().prop_map(Step::Enter),
        6 => Just(Step::Post),
        8 => ((0..NODES), any::<prop::sample::Index>()).prop_map(|(node, event)| Step::Hear(node, event)),
        1 => (0..NODES).prop_map(Step::CatchUp),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ]
}

struct Socket {
    node: usize,
    seat: Seat<Words>,
    /// The offset at which it began.
    begun: Option<u64>,
    told: Vec<u64>,
}

impl Socket {
    fn read(&mut self) {
        for letter in letters(&self.seat) {
            let Letter::Send(Words(words)) = letter else { panic!("{letter:?}") };
            let offsets = words.iter().filter_map(|word| word.strip_prefix("peer ")?.parse::<u64>().ok());
            self.told.extend(offsets);
        }
    }
}

async fn run(steps: Vec<Step>) {
    let (world, author) = (World::default(), user_id());
    let nodes: Vec<Rooms<Words>> = (0..NODES).map(|_| world.node()).collect();
    // Somebody who is in the room on neither of them changes their profile.
    let third = world.node();
    let seat = third.sit(room("r"), author).unwrap();
    third.enter(&seat).await.unwrap();
    let (mut sockets, mut events): (Vec<Socket>, Vec<Event>) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Sit(node) => {
                let seat = nodes[node].sit(room("r"), user_id()).unwrap();
                sockets.push(Socket { node, seat, begun: None, told: Vec::new() });
            }
            Step::Enter(index) if !sockets.is_empty() => {
                let socket = index.get_mut(&mut sockets);
                if socket.begun.is_none() {
                    socket.begun = Some(nodes[socket.node].enter(&socket.seat).await.unwrap().position.offset);
                }
            }
            Step::Post => {
                let event = updated(author);
                third.post(std::slice::from_ref(&event)).await.unwrap();
                events.push(event);
            }
            Step::Hear(node, index) if !events.is_empty() => hear(&nodes[node], &[index.get(&events).clone()]).await,
            Step::CatchUp(node) => nodes[node].catch_up().await.unwrap(),
            Step::Leave(index) if !sockets.is_empty() => drop(sockets.remove(index.index(sockets.len()))),
            Step::Enter(_) | Step::Hear(..) | Step::Leave(_) => {}
        }
        sockets.iter_mut().for_each(Socket::read);
    }
    for node in &nodes {
        node.catch_up().await.unwrap();
    }
    for socket in &mut sockets {
        socket.read();
        let expected: Vec<u64> = match socket.begun {
            Some(begun) => (begun + 1..=events.len() as u64).collect(),
            None => Vec::new(),
        };
        assert_eq!(socket.told, expected, "begun at {:?}", socket.begun);
    }
}

proptest! {
    #[test]
    fn every_socket_is_told_each_entry_after_its_beginning_once_and_in_order(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}
