//! Inputs that no client should send. Each is sent, answered with what it must get, and has changed nothing.
//!
//! Where each kind of input is sent. `conventions`, `limits`, `settings` and `tokens` stand beside this module; what a
//! socket is sent, below `rooms`; the others below this module.
//!
//! | input | test |
//! |---|---|
//! | lengths in conflict, no or two `Host`, no HTTP at all | `transport::a_head_that_can_be_read_in_two_ways_is_refused` |
//! | broken chunks | `transport::a_chunk_that_is_none_is_refused` |
//! | too many headers, too long a header or a path | `transport::a_head_over_the_limits_is_refused`, `transport::a_header_name_over_64_kib_ends_no_connection_but_its_own` |
//! | wrong and unknown methods | `transport::a_wrong_method_is_told_which_are_right`, `transport::a_tunnel_is_not_dug` |
//! | other media types, none | `transport::media_types_that_are_not_read_are_told` |
//! | compressed bodies | `transport::a_compressed_body_is_not_inflated` |
//! | bodies over the limit | `transport::a_body_of_the_limit_is_read_and_one_byte_more_is_not` |
//! | bodies that end early | `transport::a_body_that_ends_early_writes_nothing` |
//! | forged proxy and identity headers | `transport::headers_that_claim_to_be_somebody_are_not_believed`, `limits::a_forged_hop_counts_for_nobody` |
//! | foreign hosts and origins | `transport::a_foreign_host_is_named_nowhere`, `conventions::other_origins_hear_nothing` |
//! | headers that are no credential | `credentials::what_is_no_credential_gets_one_answer_everywhere` |
//! | no credential, one in the URL or a cookie | `credentials::a_credential_is_read_from_its_header_only` |
//! | other algorithms, broken signatures, foreign keys | `credentials::a_token_that_is_not_signed_as_ours_gets_that_answer` |
//! | wrong claims, times and headers under our own signature | `credentials::a_token_that_says_what_ours_never_says_gets_that_answer` |
//! | tokens of nobody, tokens that ended | `tokens::a_token_of_nobody_opens_nothing`, `tokens::a_token_ends_when_it_says` |
//! | NUL, surrogates, broken UTF-8, depth, repeated keys, no object, trailing garbage | `text::broken_bodies_are_refused_on_every_route_that_reads_one` |
//! | the same in a form | `text::a_form_is_read_as_strictly` |
//! | depth at the limit | `text::thirty_two_containers_are_read_and_one_more_is_not` |
//! | NUL, controls, invisible and bidirectional characters | `text::characters_that_deceive_or_control_are_refused`, `text::control_characters_hide_at_no_end` |
//! | unknown and read-only fields | `text::fields_that_are_not_the_callers_to_set_are_refused_on_v1`, `text::fields_that_are_not_the_callers_to_set_do_nothing_elsewhere` |
//! | `{}` | `text::an_empty_change_changes_nothing` |
//! | `null` and absent | `text::null_clears_its_field_and_no_other`, `settings::null_takes_its_setting_back_and_no_other` |
//! | lengths at and over the limit, emoji, combining marks | `text::text_is_counted_in_characters_after_trimming` |
//! | markup, templates, SQL, formulas | `text::what_other_programs_would_run_is_text_here` |
//! | look-alikes in usernames | `text::a_name_that_only_looks_like_another_is_refused` |
//! | addresses, URLs, zones, languages, phones, handles, preferences | `fields::fields_that_break_their_rules_are_refused` |
//! | somebody else's address | `fields::somebody_elses_address_is_a_contact_like_any_other` |
//! | URLs to fetch | `fields::no_address_that_is_stored_is_ever_called` |
//! | new passwords | `sign_in::a_password_that_may_not_be_one_is_refused`, `sign_in::a_password_is_taken_exactly_as_typed` |
//! | wrong current passwords | `limits::wrong_current_passwords_run_out_too` |
//! | ids that are none | `ids::an_id_that_is_none_is_answered_as_one_that_is_not_the_callers`, `ids::an_id_that_is_none_tells_a_stranger_nothing`, `ids::an_upper_case_id_is_the_same_user` |
//! | settings | `settings::what_is_no_setting_is_refused` |
//! | registrations | `sign_in::registrations_that_break_a_rule_make_no_account`, `sign_in::a_name_that_is_taken_makes_no_second_account` |
//! | sign-ins | `sign_in::a_malformed_sign_in_is_told_as_such`, `sign_in::a_failed_sign_in_tells_nothing_of_who_exists`, `sign_in::a_sign_in_costs_one_hash_whoever_it_names` |
//! | uploads at and over the limit, by their header, without an end | `uploads::an_upload_of_the_limit_is_read_and_one_byte_more_is_not`, `uploads::an_upload_that_says_it_is_too_large_is_not_read`, `uploads::an_endless_upload_is_cut_off`, `uploads::a_body_without_an_end_that_nobody_reads_ends_the_connection` |
//! | boundaries, truncated parts, long headers | `uploads::a_frame_that_cannot_be_read_is_refused` |
//! | parts without a name, unknown, twice, empty, too many | `uploads::parts_that_break_a_rule_are_named` |
//! | other media types and codings where a picture is read | `uploads::what_is_no_form_is_told` |
//! | names of files | `uploads::the_name_of_a_file_says_nothing` |
//! | documents that are called pictures, polyglots | `disguises::a_disguise_is_seen_through`, `disguises::nothing_that_travels_in_a_picture_is_kept` |
//! | pictures that are larger than they look | `disguises::a_bomb_is_told_by_its_header` |
//! | text in a picture that inflates | `disguises::text_that_inflates_is_not_inflated` |
//! | pictures that are cut off or broken | `disguises::a_broken_picture_is_refused_whichever_part_it_is` |
//! | colour types, depths, palettes | `disguises::pictures_of_every_kind_become_the_same_kind` |
//! | paths of files that were not given out | `disguises::a_path_that_was_not_given_out_is_not_there` |
//! | sockets without a token, with a bad one, with another user's, from foreign pages | `entering::what_is_no_good_token_is_refused_wherever_it_stands`, `entering::a_token_in_the_url_is_not_looked_at`, `entering::whose_token_it_is_decides_who_comes_in`, `entering::a_foreign_origin_is_refused_before_the_upgrade` |
//! | tickets that are none, or were used | `tickets::what_is_no_ticket_opens_nothing`, `tickets::a_ticket_opens_once` |
//! | broken handshakes, none, other methods and versions | `entering::a_broken_handshake_is_malformed`, `entering::another_version_of_the_protocol_is_told_which_one_is_spoken`, `entering::a_plain_request_is_told_to_upgrade` |
//! | names of rooms and users that are none | `entering::names_that_are_none_are_malformed` |
//! | positions that are none | `replaying::a_position_that_is_none_is_malformed` |
//! | binary, oversize and endless frames | `frames::a_binary_frame_is_no_frame`, `frames::a_frame_of_the_limit_is_read_and_one_byte_more_is_not`, `wire::a_frame_that_says_it_is_too_large_is_not_read`, `wire::a_length_with_its_top_bit_is_none`, `wire::pieces_over_the_limit_in_all_are_not_put_together` |
//! | a million empty pieces | `wire::a_million_empty_pieces_are_a_flood` |
//! | reserved bits, no mask, pieces out of order, long control frames, bad closes, broken UTF-8 | `wire::reserved_bits_and_opcodes_break_the_protocol`, `wire::a_frame_without_a_mask_breaks_the_protocol`, `wire::pieces_out_of_order_break_the_protocol`, `wire::control_frames_that_are_long_or_in_pieces_break_the_protocol`, `wire::a_close_that_says_nothing_sensible_breaks_the_protocol`, `wire::text_that_is_no_utf_8_is_told_as_such` |
//! | floods of frames, too many sockets | `wire::a_hundred_at_once_are_read_and_a_flood_is_not`, `entering::the_twenty_first_socket_of_a_user_is_too_many`, `entering::a_caller_without_any_requests_left_is_told_after_the_upgrade` |
//! | frames of wrong types, of any depth, in another's name | `frames::a_frame_that_says_nothing_gets_an_error_and_the_third_ends_it`, `frames::an_error_names_what_is_wrong`, `frames::a_frame_that_claims_to_be_somebody_is_not_believed` |
//! | sockets that nobody reads | `load::who_does_not_read_is_closed_and_holds_up_nobody` |
//! | sockets that vanish | `load::five_hundred_sockets_that_vanish_leave_nothing_behind`, `wire::a_connection_that_ends_half_way_is_gone` |

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Site;
use crate::site::{User, send};

mod credentials;
mod disguises;
mod fields;
mod ids;
mod sign_in;
mod text;
mod transport;
mod uploads;

const PROFILE: &str = "/api/v1/profile";
const SETTINGS: &str = "/api/v1/settings";

/// A body, and what it must get.
struct Row {
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// The field that the answer must name.
    names: Option<String>,
}

fn raw(body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Row {
    Row { body: body.into(), status, code, names: None }
}

/// A value that breaks the rule of its field, and of no other.
fn field(name: &str, value: impl Into<Value>) -> Row {
    Row { names: Some(name.to_owned()), ..raw(json!({ name: value.into() }).to_string(), 400, "validation_failed") }
}

/// Everything of a user that a request could have changed.
async fn state(site: &Site, user: &User) -> [Value; 3] {
    let mobile = send(site.mobile(user, Method::GET, "/mobile/user/profile")).await;
    [site.profile(user).await, site.get_as(user, SETTINGS).await.json, mobile.json]
}

async fn drive(site: &Site, method: Method, path: &str, rows: Vec<Row>) {
    let user = site.user().await;
    let path = path.replace("{id}", &user.id);
    let before = state(site, &user).await;
    for row in rows {
        let shown: String = String::from_utf8_lossy(&row.body).chars().take(80).collect();
        let request = site.mobile(&user, method.clone(), &path).header("Content-Type", "application/json");
        let answer = send(request.body(row.body)).await;
        assert_eq!(answer.refusal(), (row.status, row.code), "{method} {path} {shown}: {}", answer.text);
        let details = &answer.json["error"]["details"];
        assert!(details.is_object(), "{method} {path} {shown}");
        if let Some(name) = row.names {
            let named = details["fields"].as_object().unwrap();
            assert!(named.len() == 1 && named.keys().all(|key| key.starts_with(&name)), "{path} {shown}: {named:?}");
        }
    }
    assert_eq!(state(site, &user).await, before, "{method} {path}");
}

/// Sends bytes as they are and reads what comes until the server closes.
async fn wire(site: &Site, bytes: &[u8]) -> String {
    exchange(site, bytes, false).await
}

/// As [`wire`], and tells the server that no more will come.
async fn wire_and_end(site: &Site, bytes: &[u8]) -> String {
    exchange(site, bytes, true).await
}

async fn exchange(site: &Site, bytes: &[u8], is_end: bool) -> String {
    let mut stream = TcpStream::connect(site.base.strip_prefix("http://").unwrap()).await.unwrap();
    // A server that has heard enough answers and closes, whether or not all of it was sent.
    let is_sent = stream.write_all(bytes).await.is_ok();
    if is_end && is_sent {
        stream.shutdown().await.ok();
    }
    let mut answer = Vec::new();
    // A reset after the answer is a close too.
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server neither answered nor closed").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer off the wire, and the code in it; neither where the connection was closed without one.
fn refusal_in(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    (status, json["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_table_names_every_test_and_no_other() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http");
    let source = |path: &str| std::fs::read_to_string(format!("{folder}/{path}.rs")).unwrap_or_default();
    let own = source("bad_inputs");
    let table: String = own.lines().filter_map(|line| line.strip_prefix("//! |")).collect();
    let named: Vec<_> = table.split('`').filter_map(|word| word.split_once("::")).collect();
    for (module, test) in &named {
        let sources = [format!("bad_inputs/{module}"), format!("rooms/{module}"), (*module).to_owned()];
        let sources = sources.map(|path| source(&path)).concat();
        assert!(sources.contains(&format!("async fn {test}(store: Store)")), "no {module}::{test}");
    }
    for module in ["credentials", "disguises", "fields", "ids", "sign_in", "text", "transport", "uploads"] {
        for line in source(&format!("bad_inputs/{module}")).lines() {
            let test = line.strip_prefix("async fn ").and_then(|rest| rest.strip_suffix("(store: Store) {"));
            assert!(test.is_none_or(|test| named.contains(&(module, test))), "not in the table: {module}::{line}");
        }
    }
}
