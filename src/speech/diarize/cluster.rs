//! Voices that are alike become one group: agglomeration.

use super::alike::Alike;

/// When two groups are near each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Linkage {
    /// By the mean over all pairs: keeps one who speaks much together, and somebody who speaks little apart.
    Average,
    /// By how much the spread grows if they are joined (Ward): parts voices that are close, if they speak alike much.
    Ward,
}

/// Joins voices until `count` groups are left and returns the number of each voice's group, from 0 on.
///
/// Range: memory and time grow with the square of the number of voices; the caller bounds it.
pub(super) fn groups<V: Alike>(voices: &[&V], linkage: Linkage, count: usize) -> Vec<usize> {
    Tree::of(voices, linkage).groups(count)
}

/// All ways of grouping some voices, from everybody alone to all together.
pub(super) struct Tree {
    voices: usize,
    merges: Vec<Merge>,
}

impl Tree {
    /// Joins voices until one group is left.
    pub fn of<V: Alike>(voices: &[&V], linkage: Linkage) -> Self {
        Self { voices: voices.len(), merges: merges(voices, linkage) }
    }

    /// Returns the number of each voice's group, from 0 on, when `count` groups are left.
    pub fn groups(&self, count: usize) -> Vec<usize> {
        let obeyed = self.voices.saturating_sub(count.max(1)).min(self.merges.len());
        numbered(self.voices, &self.merges[..obeyed])
    }

    /// Returns the number of each voice's group, from 0 on, when no groups are left that are this near each other.
    pub fn apart(&self, distance: f32) -> Vec<usize> {
        let obeyed = self.merges.partition_point(|merge| merge.distance <= distance);
        numbered(self.voices, &self.merges[..obeyed])
    }
}

/// Two groups that become one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Merge {
    /// A member of the one group, and of the other.
    members: (usize, usize),
    /// How far apart the groups are.
    distance: f32,
}

/// Joins voices until one group is left, the nearest first.
///
/// Source: nearest-neighbour chains (Benzécri 1982): they give the same tree as always joining the nearest pair, since
/// a group that two others have become is never nearer to a third than both were.
fn merges<V: Alike>(voices: &[&V], linkage: Linkage) -> Vec<Merge> {
    let mut pairs = Pairs::of(voices, linkage);
    let mut alive: Vec<usize> = (0..voices.len()).collect();
    let (mut chain, mut merges) = (Vec::new(), Vec::with_capacity(voices.len()));
    while alive.len() > 1 {
        if chain.is_empty() {
            chain.push(alive[0]);
        }
        let end = chain[chain.len() - 1];
        let before = chain.len().checked_sub(2).map(|index| chain[index]);
        let (nearest, distance) = pairs.nearest(end, &alive, before);
        if before != Some(nearest) {
            chain.push(nearest);
            continue;
        }
        chain.truncate(chain.len() - 2);
        merges.push(Merge { members: (nearest, end), distance });
        pairs.join(nearest, end, &alive);
        alive.retain(|group| *group != end);
    }
    merges.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    merges
}

/// Obeys merges and numbers the groups in the order of their first voices.
fn numbered(voices: usize, merges: &[Merge]) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..voices).collect();
    for Merge { members: (one, other), .. } in merges {
        let (one, other) = (root(&mut parents, *one), root(&mut parents, *other));
        parents[one.max(other)] = one.min(other);
    }
    let (mut numbers, mut next) = (vec![None; voices], 0);
    let number = |voice: usize| {
        let root = root(&mut parents, voice);
        *numbers[root].get_or_insert_with(|| {
            next += 1;
            next - 1
        })
    };
    (0..voices).map(number).collect()
}

fn root(parents: &mut [usize], mut voice: usize) -> usize {
    while parents[voice] != voice {
        parents[voice] = parents[parents[voice]];
        voice = parents[voice];
    }
    voice
}

/// How far apart any two groups are.
struct Pairs {
    linkage: Linkage,
    distances: Vec<f32>,
    sizes: Vec<f32>,
}

impl Pairs {
    fn of<V: Alike>(voices: &[&V], linkage: Linkage) -> Self {
        let count = voices.len();
        let mut distances = vec![0.0; count * count];
        for (row, voice) in voices.iter().enumerate() {
            for (column, other) in voices[..row].iter().enumerate() {
                // For directions of length 1 this is half of the squared distance, too: Ward's start.
                let distance = 1.0 - voice.cosine(other);
                distances[row * count + column] = distance;
                distances[column * count + row] = distance;
            }
        }
        Self { linkage, distances, sizes: vec![1.0; count] }
    }

    fn at(&self, one: usize, other: usize) -> f32 {
        self.distances[one * self.sizes.len() + other]
    }

    /// Returns the group nearest to this one; `before` wins a tie, so that every chain ends.
    fn nearest(&self, group: usize, alive: &[usize], before: Option<usize>) -> (usize, f32) {
        let mut best = before.map_or((group, f32::INFINITY), |before| (before, self.at(group, before)));
        for other in alive.iter().copied().filter(|other| *other != group) {
            let distance = self.at(group, other);
            if distance < best.1 {
                best = (other, distance);
            }
        }
        best
    }

    /// Makes `one` stand for both groups.
    ///
    /// Source: the recurrences of Lance and Williams.
    fn join(&mut self, one: usize, other: usize, alive: &[usize]) {
        let (size, other_size, between) = (self.sizes[one], self.sizes[other], self.at(one, other));
        for third in alive.iter().copied().filter(|third| *third != one && *third != other) {
            let (near, far) = (self.at(one, third), self.at(other, third));
            let distance = match self.linkage {
                Linkage::Average => (size * near + other_size * far) / (size + other_size),
                Linkage::Ward => {
                    let third_size = self.sizes[third];
                    let sum = (size + third_size) * near + (other_size + third_size) * far;
                    (sum - third_size * between) / (size + other_size + third_size)
                }
            };
            let count = self.sizes.len();
            self.distances[one * count + third] = distance;
            self.distances[third * count + one] = distance;
        }
        self.sizes[one] += other_size;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::voice;
    use super::*;
    use crate::speech::voice::Embedding;

    #[test]
    fn two_bundles_of_voices_become_two_groups_by_either_measure() {
        let voices: Vec<Embedding> = (0..20).map(|index| voice(index % 2, index as u64, 0.2)).collect();
        let voices: Vec<&Embedding> = voices.iter().collect();
        for linkage in [Linkage::Average, Linkage::Ward] {
            let found = groups(&voices, linkage, 2);
            assert!((0..20).all(|index| found[index] == index % 2), "{linkage:?}: {found:?}");
        }
    }

    #[test]
    fn no_more_groups_are_made_than_there_are_voices_and_at_least_one() {
        let one = voice(0, 1, 0.0);
        assert_eq!(groups(&[&one], Linkage::Ward, 5), [0]);
        assert_eq!(groups(&[&one, &one, &one], Linkage::Average, 0), [0, 0, 0]);
        assert_eq!(groups::<Embedding>(&[], Linkage::Average, 3), Vec::<usize>::new());
    }

    #[test]
    fn somebody_who_speaks_little_stays_apart_by_the_mean() {
        let mut voices: Vec<Embedding> = (0..30).map(|index| voice(0, index, 0.1)).collect();
        voices.push(voice(1, 99, 0.1));
        let voices: Vec<&Embedding> = voices.iter().collect();
        let found = groups(&voices, Linkage::Average, 2);
        assert_eq!(found.iter().filter(|group| **group == found[30]).count(), 1);
    }
}
