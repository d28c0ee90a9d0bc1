//! The whole chat, all its shards, on one thread, from a seed: random clients, random delivery
//! between shards, a clock that is turned by hand. Clients stall or vanish at any moment, bells are
//! heard late, shards fall asleep and pause, credit is short, memory too.
//!
//! After every turn of a shard its tables must agree with everyone's. A game for *safety* ends with
//! everything still going wrong, and nobody has seen anything that the homes of their rooms did not
//! decide. In one for *liveness* nothing goes wrong from some step on: within a bounded number of
//! rounds everything must come to rest, and everyone must have seen exactly what was decided. The
//! server may go down after that, or at any step before.

mod checks;
mod client;
#[cfg(test)]
mod directed;
mod oracle;
mod reader;
mod rest;
mod shard;
mod world;

use std::vec;

use world::World;

/// A stream of numbers that decide what happens.
#[derive(Clone, Debug)]
enum Rng {
    /// They only depend on the seed (SplitMix64).
    Seed(u64),
    /// They are given, a byte or two each. After the last of them it goes on with a seed.
    Script(vec::IntoIter<u8>),
}

impl Rng {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        let number = match self {
            Self::Seed(state) => split_mix(state),
            Self::Script(bytes) => {
                let mut number = u64::from(bytes.next().unwrap_or_default());
                if end > 1 << u8::BITS {
                    number = number << u8::BITS | u64::from(bytes.next().unwrap_or_default());
                }
                if bytes.as_slice().is_empty() {
                    *self = Self::Seed(0);
                }
                number
            }
        };
        usize::try_from(number % end as u64).expect("less than a usize")
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a game is to show.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Things go wrong up to its end, and nobody has seen anything wrong.
    Safety,
    /// At its end nothing goes wrong any more: all comes to rest, and everyone has seen all.
    Liveness,
    /// The same, and then the server goes down.
    Drain,
}

impl Mode {
    fn draw(rng: &mut Rng) -> Self {
        *rng.pick(&[Self::Safety, Self::Liveness, Self::Liveness, Self::Drain])
    }
}

/// Plays the game that `script` decides to its end, and panics if anything is not as it should be.
pub fn play_script(script: &[u8]) {
    let mut rng = Rng::Script(Vec::from(script).into_iter());
    let mode = Mode::draw(&mut rng);
    let mut world = World::new(rng, 0);
    while world.has_script() {
        world.step();
    }
    end(&mut world, mode);
}

fn end(world: &mut World, mode: Mode) {
    match mode {
        Mode::Safety => world.check_views(false),
        Mode::Liveness => world.come_to_rest(),
        Mode::Drain => {
            world.come_to_rest();
            world.go_down();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::thread;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    const SEEDS: u64 = 2_000;
    /// Of a game, at most.
    const STEPS: usize = 1_500;

    /// Plays the game of `seed` to its end; a number that tells it from every other.
    fn play(seed: u64) -> u64 {
        let mut rng = Rng::Seed(seed);
        let (mode, length) = (Mode::draw(&mut rng), rng.below(STEPS));
        let (mut world, mut steps) = (World::new(rng, seed), 0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            while steps < length {
                steps += 1;
                world.step();
            }
            end(&mut world, mode);
            world.trace()
        }));
        outcome.unwrap_or_else(|failure| {
            say(&format!("simulation failed: seed {seed}, step {steps}"));
            resume_unwind(failure)
        })
    }

    /// Tells whoever runs the tests, whether they pass or not.
    fn say(line: &str) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    fn play_all(seeds: impl Iterator<Item = u64>) {
        for seed in seeds {
            play(seed);
        }
    }

    /// A number that no run before this one has had.
    fn fresh() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64
    }

    // In halves, so that two cores share the work.
    #[test]
    fn every_even_seed_comes_out_right() {
        play_all((0..SEEDS).step_by(2));
    }

    #[test]
    fn every_odd_seed_comes_out_right() {
        play_all((1..SEEDS).step_by(2));
    }

    #[test]
    fn a_seed_nobody_has_tried_comes_out_right() {
        let seed = fresh();
        say(&format!("simulation: extra seed {seed}"));
        play(seed);
    }

    /// For `cargo xtask nightly`, which says how many.
    #[test]
    #[ignore = "takes as long as it is told to"]
    fn many_seeds_nobody_has_tried_come_out_right() {
        let seeds: u64 = std::env::var("SIMULATION_SEEDS")
            .map_or(SEEDS, |seeds| seeds.parse().expect("SIMULATION_SEEDS is a number"));
        let first = fresh();
        say(&format!("simulation: {seeds} seeds from {first}"));
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for thread in 0..threads {
                let own = (first..first + seeds).skip(thread).step_by(threads);
                scope.spawn(move || play_all(own));
            }
        });
    }

    #[test]
    fn the_same_seed_is_the_same_game() {
        for seed in 0..20 {
            assert_eq!(play(seed), play(seed), "seed {seed}");
        }
        assert_ne!(play(1), play(2));
    }

    #[test]
    fn a_script_decides_and_a_game_goes_on_without_one() {
        let mut rng = Rng::Script(vec![7, 1, 2].into_iter());
        assert_eq!((rng.below(5), rng.below(1_000)), (2, 258));
        assert_eq!(rng.below(usize::MAX), Rng::Seed(0).below(usize::MAX));
        play_script(&[]);
        play_script(&[1; 300]);
    }
}
