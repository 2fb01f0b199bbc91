//! What happens in the month, to merchants by their number.

use local::vk::Fault;

/// What happens at twenty past an hour.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Connect(usize),
    Disconnect(usize),
    Revoke(usize),
    Ban(usize, bool),
    Fault(Fault),
    SlowDown(bool),
    NewTokenKey,
    NewAddress,
    LostAnswer,
}

/// Day and hour, and what happens then.
pub(super) const MONTH: [(usize, usize, Event); 36] = [
    (0, 1, Event::Connect(1)),
    (1, 2, Event::Revoke(0)),
    (1, 9, Event::Connect(0)),
    (2, 0, Event::Fault(Fault::Down)),
    (2, 6, Event::NewTokenKey),
    (2, 15, Event::Fault(Fault::None)),
    (4, 3, Event::NewAddress),
    (4, 4, Event::Revoke(1)),
    (4, 5, Event::Connect(1)),
    (6, 0, Event::SlowDown(true)),
    (6, 3, Event::NewAddress),
    (6, 7, Event::Revoke(1)),
    (6, 14, Event::SlowDown(false)),
    (6, 20, Event::Connect(1)),
    (8, 12, Event::Disconnect(1)),
    (9, 1, Event::Connect(1)),
    (10, 0, Event::Fault(Fault::RateLimited)),
    (10, 3, Event::NewAddress),
    (10, 9, Event::Fault(Fault::None)),
    (12, 0, Event::Ban(0, true)),
    (12, 22, Event::Ban(0, false)),
    (14, 0, Event::Fault(Fault::Garbled)),
    (14, 5, Event::Connect(0)),
    (14, 16, Event::Fault(Fault::None)),
    (16, 8, Event::NewTokenKey),
    (17, 0, Event::Fault(Fault::Maintenance)),
    (17, 2, Event::Revoke(0)),
    (17, 12, Event::Fault(Fault::None)),
    (18, 6, Event::Connect(0)),
    (20, 2, Event::LostAnswer),
    (20, 6, Event::Connect(0)),
    (20, 7, Event::Connect(1)),
    (23, 1, Event::NewAddress),
    (23, 2, Event::NewTokenKey),
    (25, 1, Event::Revoke(1)),
    (27, 0, Event::Connect(1)),
];
