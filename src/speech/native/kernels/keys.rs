//! Keys and values of an attention layer in the order in which the kernels read them.

use std::ops::Range;

use super::buffer::Aligned;
use super::flash::{Head, Scales};
use super::lanewise::{self, Int8Positions};
use super::packed::quantise;
use super::{Level, PANEL, Precision};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Width of an attention head in every Whisper model.
pub const HEAD: usize = 64;

/// A head's place in the store: its first position and the number of its positions.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    capacity: usize,
}

/// A matrix inside a larger one: rows of `columns` values that begin `stride` apart.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: Range2,
    stride: usize,
}

/// `Range<usize>` that is `Copy`.
#[derive(Clone, Copy, Debug)]
struct Range2 {
    start: usize,
    end: usize,
}

impl<'a> View<'a> {
    /// Sees `data` as dense rows of `columns` values. Panics if a row is incomplete.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        assert!(columns > 0 && data.len().is_multiple_of(columns), "data is whole rows");
        Self { data, rows: data.len() / columns, columns: Range2 { start: 0, end: columns }, stride: columns }
    }

    /// Narrows the view to some of its columns. Panics if they are not there.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.width());
        let start = self.columns.start + range.start;
        Self { columns: Range2 { start, end: start + range.len() }, ..self }
    }

    /// Narrows the view to some of its rows. Panics if they are not there.
    pub fn rows(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows);
        let data = &self.data[range.start * self.stride..range.end * self.stride];
        Self { data, rows: range.len(), ..self }
    }

    /// Returns the number of rows.
    pub fn height(self) -> usize {
        self.rows
    }

    /// Returns the number of columns.
    pub fn width(self) -> usize {
        self.columns.end - self.columns.start
    }

    /// Returns one row.
    pub fn row(self, row: usize) -> &'a [f32] {
        let start = row * self.stride;
        &self.data[start + self.columns.start..start + self.columns.end]
    }
}

/// Keys and values of one sequence for one layer: packed at once (encoder, cross-attention) or row by row (decoder).
///
/// Shape: the order of [`super::Packed`], so that the kernels of a linear layer multiply with them. Per head, keys are
/// panels of 32 positions with 64 inputs; values are two panels of 32 columns whose inputs are the positions. Int8
/// has one scale per head and position, for keys and for values. Behind the last position its panel is zero.
/// Range: `capacity` positions at most.
#[derive(Clone, Debug)]
pub struct KeyValues {
    pub(super) level: Level,
    pub(super) precision: Precision,
    pub(super) heads: usize,
    pub(super) capacity: usize,
    pub(super) len: usize,
    pub(super) store: Store,
}

#[derive(Clone, Debug)]
pub(super) enum Store {
    F32 { keys: Aligned<f32>, values: Aligned<f32> },
    Bf16 { keys: Aligned<u16>, values: Aligned<u16> },
    Int8(Int8Store),
}

/// Scales and sums are `[head][position]`.
#[derive(Clone, Debug)]
pub(super) struct Int8Store {
    pub keys: Aligned<i8>,
    pub values: Aligned<i8>,
    pub key_scales: Aligned<f32>,
    pub value_scales: Aligned<f32>,
    /// Sum of a key's integers, for kernels that multiply q + 128 instead of q.
    pub key_sums: Aligned<i32>,
}

impl KeyValues {
    /// Makes an empty store for at most `capacity` positions. Panics if the machine lacks `level`.
    pub fn new(level: Level, precision: Precision, capacity: usize, heads: usize) -> Self {
        assert!(level.is_available(), "this machine has no {}", level.name());
        // Integers are read 64 positions at a time.
        let capacity =
            capacity.next_multiple_of(if precision == Precision::Int8 { 2 * PANEL } else { PANEL });
        let (positions, values) = (heads * capacity, heads * capacity * HEAD);
        let store = match precision {
            Precision::F32 => Store::F32 { keys: Aligned::new(values), values: Aligned::new(values) },
            Precision::Bf16 | Precision::Weights8 => {
                Store::Bf16 { keys: Aligned::new(values), values: Aligned::new(values) }
            }
            Precision::Int8 => Store::Int8(Int8Store {
                keys: Aligned::new(values),
                values: Aligned::new(values),
                key_scales: Aligned::new(positions),
                value_scales: Aligned::new(positions),
                key_sums: Aligned::new(positions),
            }),
        };
        Self { level, precision, heads, capacity, len: 0, store }
    }

    /// Packs all rows of `k` and `v`, whose widths are `heads` × 64. Panics if the shapes differ.
    pub fn pack(level: Level, precision: Precision, k: View<'_>, v: View<'_>) -> Self {
        let mut packed = Self::new(level, precision, k.height(), k.width() / HEAD);
        packed.extend(k, v);
        packed
    }

    /// Appends one position per row. Panics if the shapes differ or the capacity is exceeded.
    pub fn extend(&mut self, k: View<'_>, v: View<'_>) {
        assert_eq!((k.height(), k.width()), (v.height(), v.width()), "keys and values have one shape");
        assert_eq!(k.width(), self.heads * HEAD, "a row holds all heads");
        assert!(self.len + k.height() <= self.capacity, "at most {} positions", self.capacity);
        let mut row = 0;
        while row < k.height() {
            if self.len.is_multiple_of(PANEL) && row + PANEL <= k.height() && self.pack_panel(k, v, row) {
                row += PANEL;
            } else {
                self.append(k.row(row), v.row(row));
                row += 1;
            }
        }
    }

    /// Packs 32 rows at once; false where there is no faster way than one by one.
    fn pack_panel(&mut self, k: View<'_>, v: View<'_>, row: usize) -> bool {
        let (k, v) = (k.rows(row..row + PANEL), v.rows(row..row + PANEL));
        for head in 0..self.heads {
            let columns = head * HEAD..(head + 1) * HEAD;
            let (k, v) = (k.columns(columns.clone()), v.columns(columns));
            let at = Place { first: head * self.capacity, capacity: self.capacity };
            match &mut self.store {
                Store::F32 { .. } => return false,
                Store::Bf16 { keys, values } => {
                    let (keys, values) = panel_of(keys, values, at, self.len);
                    pack_positions(self.level, k, v, keys, values);
                }
                Store::Int8(store) => {
                    let (keys, values) = panel_of(&mut store.keys, &mut store.values, at, self.len);
                    let scales = at.first + self.len..at.first + self.len + PANEL;
                    let packed = Int8Positions {
                        keys,
                        key_scales: &mut store.key_scales.as_mut_slice()[scales.clone()],
                        key_sums: &mut store.key_sums.as_mut_slice()[scales.clone()],
                        values,
                        value_scales: &mut store.value_scales.as_mut_slice()[scales],
                    };
                    pack_positions_int8(self.level, k, v, packed);
                }
            }
        }
        self.len += PANEL;
        true
    }

    /// Forgets all positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        // Behind the last position its panel must be zero: the kernels multiply whole panels. What lies in later
        // panels does not matter; it is cleared when they are begun.
        let end = self.len.min(len.next_multiple_of(PANEL));
        for position in len..end {
            self.write(position, |_| (&[0.0; HEAD], &[0.0; HEAD]));
        }
        self.len = self.len.min(len);
    }

    /// Takes over the positions of `other` without allocating. Panics if the two are built differently.
    pub fn copy_from(&mut self, other: &Self) {
        self.copy_tail(other, 0);
    }

    /// Takes over the positions of `other` from `from` on; the ones before are known to be equal.
    ///
    /// Range: `from` is at most the length of either. Panics if it is not or the two are built differently.
    pub fn copy_tail(&mut self, other: &Self, from: usize) {
        assert_eq!(
            (self.heads, self.capacity, self.precision),
            (other.heads, other.capacity, other.precision)
        );
        assert!(from <= self.len.min(other.len), "the common past is part of both");
        // Whole panels: the first one holds common positions too, the last one zeros behind its end.
        let span = from / PANEL * PANEL..other.len.next_multiple_of(PANEL);
        for head in 0..self.heads {
            let at = Place { first: head * self.capacity, capacity: self.capacity };
            self.store.copy_head(&other.store, at, span.clone());
        }
        self.len = other.len;
    }

    /// Returns the number of positions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there is no position yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    fn append(&mut self, k: &[f32], v: &[f32]) {
        let position = self.len;
        if position.is_multiple_of(PANEL) {
            for head in 0..self.heads {
                self.store
                    .clear_panel(Place { first: head * self.capacity, capacity: self.capacity }, position);
            }
        }
        self.write(position, |head| {
            let span = head * HEAD..(head + 1) * HEAD;
            (&k[span.clone()], &v[span])
        });
        self.len += 1;
    }

    fn write<'a>(&mut self, position: usize, row: impl Fn(usize) -> (&'a [f32], &'a [f32])) {
        for head in 0..self.heads {
            let (k, v) = row(head);
            let at = Place { first: head * self.capacity, capacity: self.capacity };
            self.store.write(self.level, at, position, k, v);
        }
    }
}

impl Store {
    /// Writes one head's key and value.
    fn write(&mut self, level: Level, at: Place, position: usize, k: &[f32], v: &[f32]) {
        match self {
            Self::F32 { keys, values } => {
                scatter_key(keys.as_mut_slice(), at.first, position, 1, |i| k[i]);
                scatter_value(values.as_mut_slice(), at, position, 1, |i| v[i]);
            }
            Self::Bf16 { keys, values } => {
                let (key, value) = (round_head(level, k), round_head(level, v));
                scatter_key(keys.as_mut_slice(), at.first, position, 2, |i| key[i]);
                scatter_value(values.as_mut_slice(), at, position, 2, |i| value[i]);
            }
            Self::Int8(store) => store.write(at, position, k, v),
        }
    }

    fn clear_panel(&mut self, at: Place, position: usize) {
        match self {
            Self::F32 { keys, values } => clear(keys.as_mut_slice(), values.as_mut_slice(), at, position),
            Self::Bf16 { keys, values } => clear(keys.as_mut_slice(), values.as_mut_slice(), at, position),
            Self::Int8(store) => {
                clear(store.keys.as_mut_slice(), store.values.as_mut_slice(), at, position);
            }
        }
    }

    /// Copies whole panels of a head.
    fn copy_head(&mut self, other: &Self, at: Place, span: Range<usize>) {
        match (self, other) {
            (Self::F32 { keys, values }, Self::F32 { keys: k, values: v }) => {
                copy_panels((keys, k), (values, v), at, span);
            }
            (Self::Bf16 { keys, values }, Self::Bf16 { keys: k, values: v }) => {
                copy_panels((keys, k), (values, v), at, span);
            }
            (Self::Int8(to), Self::Int8(from)) => {
                let scales = at.first + span.start..at.first + span.end;
                copy(&mut to.key_scales, &from.key_scales, scales.clone());
                copy(&mut to.value_scales, &from.value_scales, scales.clone());
                copy(&mut to.key_sums, &from.key_sums, scales);
                copy_panels((&mut to.keys, &from.keys), (&mut to.values, &from.values), at, span);
            }
            (Self::F32 { .. } | Self::Bf16 { .. } | Self::Int8(_), _) => {
                unreachable!("the caller compared the precisions")
            }
        }
    }
}

/// The places of 32 positions: a panel of keys and a part of each half of the values.
fn panel_of<'a, T: Copy + Default>(
    keys: &'a mut Aligned<T>,
    values: &'a mut Aligned<T>,
    at: Place,
    position: usize,
) -> (&'a mut [T], [&'a mut [T]; 2]) {
    let keys = &mut keys.as_mut_slice()[(at.first + position) * HEAD..][..PANEL * HEAD];
    let values = &mut values.as_mut_slice()[at.first * HEAD..][..at.capacity * HEAD];
    let (left, right) = values.split_at_mut(at.capacity * PANEL);
    let span = position * PANEL..(position + PANEL) * PANEL;
    (keys, [&mut left[span.clone()], &mut right[span]])
}

/// Zeroes 32 positions.
fn clear<T: Copy + Default>(keys: &mut [T], values: &mut [T], at: Place, position: usize) {
    keys[(at.first + position) * HEAD..][..PANEL * HEAD].fill(T::default());
    for half in 0..HEAD / PANEL {
        let start = at.first * HEAD + (half * at.capacity + position) * PANEL;
        values[start..][..PANEL * PANEL].fill(T::default());
    }
}

fn copy_panels<T: Copy + Default>(
    (keys, other_keys): (&mut Aligned<T>, &Aligned<T>),
    (values, other_values): (&mut Aligned<T>, &Aligned<T>),
    at: Place,
    span: Range<usize>,
) {
    copy(keys, other_keys, (at.first + span.start) * HEAD..(at.first + span.end) * HEAD);
    for half in 0..HEAD / PANEL {
        let first = at.first * HEAD + half * at.capacity * PANEL;
        copy(values, other_values, first + span.start * PANEL..first + span.end * PANEL);
    }
}

impl Int8Store {
    fn scales(&self, positions: Range<usize>) -> Scales<'_> {
        Scales {
            keys: &self.key_scales.as_slice()[positions.clone()],
            values: &self.value_scales.as_slice()[positions.clone()],
            sums: &self.key_sums.as_slice()[positions],
        }
    }

    fn write(&mut self, place: Place, position: usize, k: &[f32], v: &[f32]) {
        let (mut key, mut value) = ([0i8; HEAD], [0i8; HEAD]);
        let at = place.first + position;
        self.key_scales.as_mut_slice()[at] = quantise(k, &mut key);
        self.value_scales.as_mut_slice()[at] = quantise(v, &mut value);
        self.key_sums.as_mut_slice()[at] = key.iter().map(|&x| i32::from(x)).sum();
        scatter_key(self.keys.as_mut_slice(), place.first, position, 4, |i| key[i]);
        scatter_value(self.values.as_mut_slice(), place, position, 4, |i| value[i]);
    }
}

fn copy<T: Copy + Default>(to: &mut Aligned<T>, from: &Aligned<T>, span: Range<usize>) {
    to.as_mut_slice()[span.clone()].copy_from_slice(&from.as_slice()[span]);
}

/// Keys: panels of 32 positions, `[position/32][64/group][32][group]`.
fn scatter_key<T>(keys: &mut [T], first: usize, position: usize, group: usize, value: impl Fn(usize) -> T) {
    let panel = &mut keys[(first + position / PANEL * PANEL) * HEAD..][..PANEL * HEAD];
    for i in 0..HEAD {
        panel[(i / group * PANEL + position % PANEL) * group + i % group] = value(i);
    }
}

/// Values: two panels of 32 columns, `[column/32][position/group][32][group]`.
fn scatter_value<T>(values: &mut [T], at: Place, position: usize, group: usize, value: impl Fn(usize) -> T) {
    for half in 0..HEAD / PANEL {
        let row = at.first * HEAD + (half * at.capacity + position / group * group) * PANEL;
        let row = &mut values[row..row + PANEL * group];
        for i in 0..PANEL {
            row[i * group + position % group] = value(half * PANEL + i);
        }
    }
}

impl KeyValues {
    /// Returns one head.
    pub(super) fn head<'a, W: Copy + Default>(
        &'a self,
        keys: &'a Aligned<W>,
        values: &'a Aligned<W>,
        head: usize,
    ) -> Head<'a, W> {
        let span = head * self.capacity * HEAD..(head + 1) * self.capacity * HEAD;
        let scales = match &self.store {
            Store::Int8(store) => store.scales(head * self.capacity..(head + 1) * self.capacity),
            Store::F32 { .. } | Store::Bf16 { .. } => Scales::default(),
        };
        Head { keys: &keys.as_slice()[span.clone()], values: &values.as_slice()[span], len: self.len, scales }
    }
}

fn pack_positions(level: Level, k: View<'_>, v: View<'_>, keys: &mut [u16], values: [&mut [u16]; 2]) {
    match level {
        Level::Portable => lanewise::pack_positions(k, v, keys, values),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::pack_positions(k, v, keys, values),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => avx512::pack_positions(k, v, keys, values),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => level.is_missing(),
    }
}

fn pack_positions_int8(level: Level, k: View<'_>, v: View<'_>, packed: Int8Positions<'_>) {
    match level {
        Level::Portable => lanewise::pack_positions_int8(k, v, packed),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::pack_positions_int8(k, v, packed),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => avx512::pack_positions_int8(k, v, packed),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => level.is_missing(),
    }
}

fn round_head(level: Level, x: &[f32]) -> [u16; HEAD] {
    let x = x.first_chunk().expect("a head has 64 columns");
    let mut out = [0; HEAD];
    match level {
        Level::Portable => lanewise::round_head(x, &mut out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::round_head(x, &mut out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => avx512::round_head(x, &mut out),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => level.is_missing(),
    }
    out
}
