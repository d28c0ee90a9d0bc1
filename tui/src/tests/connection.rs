//! How connections are lost, rejected and made again.

use super::*;
use crate::unconfirmed::ANSWER_WAIT;

#[test]
fn a_lost_connection_is_told_and_tried_again() {
    let mut play = Play::settled(80, 16);
    play.down("the server has ended the connection");
    play.shows("12:34 — Disconnected: the server has ended the");
    play.shows("      connection; connecting again");
    play.shows("not connected · again in 1 s, Enter: now");
    play.enter("hello");
    play.shows("> hello");
    play.shows("not connected: your line is kept");
    assert_eq!(play.orders(), []);
    play.pass(Duration::from_secs(1));
    assert_eq!(play.orders(), [Order::Connect]);
    for _ in 0..2 {
        play.down("nobody listens there");
        play.pass(Duration::from_secs(30));
        assert_eq!(play.orders(), [Order::Connect]);
    }
    let screen = play.screen().join("\n");
    assert_eq!(screen.matches("nobody listens").count(), 1, "{screen}");
    play.app.on_link(Event::Up, &play.now);
    play.hear(&["You are guest"]);
    play.shows("Connected again to 127.0.0.1:42069");
    play.hear(&["You joined main"]);
    assert_eq!(play.orders(), [sent("/name amy"), sent("/join den")]);
    play.press(KeyCode::Enter);
    assert_eq!(play.orders(), [sent("hello")]);
}

#[test]
fn what_was_sent_into_a_dead_connection_comes_back() {
    let mut play = Play::settled(80, 16);
    play.enter("heard");
    play.enter("one");
    play.enter("two");
    play.hear(&["amy: heard"]);
    play.hides("no answer");
    play.pass(ANSWER_WAIT);
    play.shows("amy in den · 2 here · no answer to what you sent");
    play.down("the server no longer answers");
    play.shows("— Perhaps lost: one");
    play.shows("— Perhaps lost: two");
    play.hides("lost: heard");
    play.shows("> one");
    play.shows("Enter sends it again");
    play.shows("not connected · again in ");
    play.app.on_link(Event::Up, &play.now);
    play.orders();
    play.press(KeyCode::Enter);
    play.shows("> two");
    play.enter("");
    assert_eq!(play.orders(), [sent("one"), sent("two")]);
    // What the user is typing is not disturbed.
    play.types("three");
    play.down("gone");
    play.shows("> three");
    play.app.on_link(Event::Up, &play.now);
    play.press(KeyCode::Enter);
    play.shows("> one");
}

#[test]
fn rejections_are_told_once_and_waited_out() {
    let full = "Server is full, please try again later";
    let mut play = Play::new(80, 12);
    for longest in [10, 20, 40] {
        play.app.on_link(Event::Up, &play.now);
        play.hear(&[full]);
        play.down("the server has ended the connection");
        play.shows("not connected · again in ");
        play.pass(Duration::from_millis(longest * 1000 / 2 - 1));
        assert_eq!(play.orders(), [], "after {longest} s");
        play.pass(Duration::from_secs(longest));
        assert_eq!(play.orders(), [Order::Connect]);
    }
    let screen = play.screen().join("\n");
    assert_eq!(screen.matches(full).count(), 1, "{screen}");
    assert_eq!(screen.matches("Connected").count(), 0, "{screen}");
    play.down("nobody listens there");
    play.enter("/Reconnect");
    assert_eq!(play.orders(), [Order::Connect]);
}

#[test]
fn one_can_speak_before_one_is_in_a_room() {
    let mut play = Play::new(80, 8);
    play.app.on_link(Event::Up, &play.now);
    play.hear(&["Server commands", "You are amy"]);
    play.shows(" amy   ");
    play.enter("hello");
    assert_eq!(play.orders(), [sent("hello")]);
}

#[test]
fn enter_connects_at_once() {
    let mut play = Play::settled(80, 8);
    play.down("gone");
    play.press(KeyCode::Enter);
    assert_eq!(play.orders(), [Order::Connect]);
    play.press(KeyCode::Enter);
    assert_eq!(play.orders(), [], "and only once");
}

#[test]
fn a_server_can_ask_for_time() {
    let mut play = Play::settled(80, 8);
    play.hear(&[
        "Please do not come back before 90 s have passed",
        "Server is shutting down, bye!",
    ]);
    play.down("the server has ended the connection");
    play.pass(Duration::from_secs(90));
    assert_eq!(play.orders(), []);
    play.pass(Duration::from_secs(1));
    assert_eq!(play.orders(), [Order::Connect]);
}

#[test]
fn whoever_was_idle_stays_away_until_wanted() {
    let mut play = Play::settled(80, 12);
    play.hear(&["You have said nothing for 60 s, bye!"]);
    play.down("the server has ended the connection");
    play.shows("press Enter to connect again");
    play.pass(Duration::from_secs(3600));
    assert_eq!((play.orders(), play.app.connection), (vec![], Connection::Held));
    play.press(KeyCode::Enter);
    assert_eq!(play.orders(), [Order::Connect]);
}

#[test]
fn a_port_for_tls_ends_it_with_what_to_do() {
    let mut play = Play::new(80, 8);
    play.app.on_link(Event::Up, &play.now);
    play.hear(&["This port speaks TLS: try `openssl s_client -quiet -connect HOST:PORT`"]);
    assert_eq!(
        play.app.end(),
        Some(Err("127.0.0.1:42069 speaks TLS: please add --tls".to_owned()))
    );
}

#[test]
fn leaving_waits_for_the_server_a_moment() {
    let mut play = Play::settled(80, 8);
    play.enter("/quit");
    assert_eq!((play.orders(), play.app.end()), (vec![sent("/quit")], None));
    let mut seen_off = Play::settled(80, 8);
    seen_off.ctrl('d');
    seen_off.down("the server has ended the connection");
    assert_eq!(seen_off.app.end(), Some(Ok(())));
    play.pass(Duration::from_secs(2));
    assert_eq!(play.app.end(), Some(Ok(())));
    let mut impatient = Play::settled(80, 8);
    impatient.ctrl('c');
    assert_eq!(impatient.app.end(), None);
    impatient.ctrl('c');
    assert_eq!(impatient.app.end(), Some(Ok(())));
}

#[test]
fn a_server_that_does_not_read_is_told_of() {
    let mut play = Play::settled(80, 8);
    play.enter("hello");
    let order = play.orders().pop().expect("an order");
    play.app.unsent(order);
    play.shows("the server does not read what you send");
}
