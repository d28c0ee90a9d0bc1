//! Coming back: a client that has lost its connection takes over from the session that it had.

use std::fmt;

use ring::hmac;

use super::{SessionId, ShardId, Since};

/// Bytes of a token's proof: 128 bits, which is more than can be tried.
const PROOF_BYTES: usize = 16;
/// Digits of a token: a shard, a slot, a generation and the proof, in hexadecimal.
const DIGITS: [usize; 4] = [4, 8, 8, 2 * PROOF_BYTES];

/// What resume tokens are made with: nothing has to be kept for each session. It is another at each
/// start of the server.
#[derive(Clone)]
pub struct ResumeKey(hmac::Key);

impl fmt::Debug for ResumeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeKey").finish_non_exhaustive()
    }
}

impl ResumeKey {
    /// One made from `secret`, which must be random.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token with which a client proves that `session` was its own.
    #[must_use]
    pub fn token(&self, session: SessionId) -> String {
        let SessionId { shard, slot, generation } = session;
        let proof = u128::from_be_bytes(self.proof(session));
        format!("{:04x}{slot:08x}{generation:08x}{proof:032x}", shard.0)
    }

    /// The session of which `token` is the proof, if it is one.
    #[must_use]
    pub fn session(&self, token: &str) -> Option<SessionId> {
        let mut rest = token;
        let mut next = |digits: usize| {
            let (number, behind) = rest.split_at_checked(digits)?;
            rest = behind;
            // A sign would be taken for a number, too.
            number.bytes().all(|it| it.is_ascii_hexdigit()).then_some(())?;
            u128::from_str_radix(number, 16).ok()
        };
        let [shard, slot, generation, proof] = DIGITS.map(&mut next);
        let shard = ShardId(u16::try_from(shard?).ok()?);
        let slot = u32::try_from(slot?).ok()?;
        let session = SessionId { shard, slot, generation: u32::try_from(generation?).ok()? };
        // In constant time: all of both is compared at once.
        let is_proof = proof? ^ u128::from_be_bytes(self.proof(session)) == 0;
        (is_proof && rest.is_empty()).then_some(session)
    }

    fn proof(&self, SessionId { shard, slot, generation }: SessionId) -> [u8; PROOF_BYTES] {
        let mut text = [0; 10];
        text[..2].copy_from_slice(&shard.0.to_be_bytes());
        text[2..6].copy_from_slice(&slot.to_be_bytes());
        text[6..].copy_from_slice(&generation.to_be_bytes());
        let tag = hmac::sign(&self.0, &text);
        tag.as_ref()[..PROOF_BYTES].try_into().expect("a tag is longer")
    }
}

/// What a client sends to come back, as text that is looked at where it is judged: the token, then
/// a line for each room of which it knows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeRequest<'a>(&'a str);

impl<'a> ResumeRequest<'a> {
    /// Writes one into `out`, in place of what was there.
    pub fn encode<'r>(
        token: &str,
        rooms: impl IntoIterator<Item = (&'r str, Since)>,
        out: &'a mut String,
    ) -> Self {
        use fmt::Write as _;
        out.clear();
        // Control characters are in no token and no name, and would be taken for line ends here.
        out.extend(token.chars().filter(|it| !it.is_control()));
        for (room, Since { epoch, seq }) in rooms {
            let room = room.chars().filter(|it| !it.is_control() && *it != ' ');
            let _ = write!(out, "\n{epoch} {seq} ");
            out.extend(room);
        }
        Self(out)
    }

    /// One with `token` alone, which has no control characters.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn of(token: &'a str) -> Self {
        Self(token)
    }

    /// The token, which may be none.
    #[must_use]
    pub fn token(self) -> &'a str {
        self.0.split('\n').next().unwrap_or_default()
    }

    /// The names of rooms, which may be none, with what is known of each.
    pub fn rooms(self) -> impl Iterator<Item = (&'a str, Since)> {
        self.0.split('\n').skip(1).filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let epoch = words.next()?.parse().ok()?;
            let seq = words.next()?.parse().ok()?;
            Some((words.next()?, Since { epoch, seq }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ResumeKey {
        ResumeKey::new(&[7; 32])
    }

    const SESSION: SessionId = SessionId { shard: ShardId(3), slot: 0xab, generation: 9 };

    #[test]
    fn a_token_is_good_for_its_session_and_its_server_alone() {
        let token = key().token(SESSION);
        assert_eq!(token.len(), DIGITS.iter().sum::<usize>());
        assert_eq!(key().session(&token), Some(SESSION));
        assert_eq!(ResumeKey::new(&[8; 32]).session(&token), None);
        let other = key().token(SessionId { generation: 10, ..SESSION });
        assert_ne!(other[20..], token[20..], "another session has another proof");
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(key().session(std::str::from_utf8(&forged).unwrap()), None, "digit {at}");
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        let token = key().token(SESSION);
        for text in ["", "x", &token[1..], &format!("{token}0"), &format!("+{}", &token[1..])] {
            assert_eq!(key().session(text), None, "{text:?}");
        }
        assert_eq!(key().session(&"é".repeat(26)), None);
    }

    #[test]
    fn requests_come_back_as_they_were_whatever_is_in_them() {
        let mut text = "stale".to_owned();
        let since = Since { epoch: u64::MAX, seq: 7 };
        let request =
            ResumeRequest::encode("to\nken", [("den", since), ("a b\nc", Since::ALL)], &mut text);
        assert_eq!(request.token(), "token");
        let rooms: Vec<_> = request.rooms().collect();
        assert_eq!(rooms, [("den", since), ("abc", Since::ALL)]);
    }
}
