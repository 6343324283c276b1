//! Operations on what was said: its text, where it is cut, its marks.

use std::sync::Arc;

use super::apply::{Back, Desk};
use super::{Op, Refusal, bounds, splicing};
use crate::minutes::{Block, BlockId, Mark};

impl Desk {
    pub(super) fn splice(&mut self, block: BlockId, at: u32, remove: &str, insert: &str) -> Back {
        let text = self.text(block)?;
        let outside = || Refusal::OutsideText { block, at, chars: text.chars().count() };
        let from = splicing::byte_of(text, at).ok_or_else(outside)?;
        if !text[from..].starts_with(remove) {
            return Err(Refusal::TextDiffers { block, found: text.into() });
        }
        let spliced = [&text[..from], insert, &text[from + remove.len()..]].concat();
        let back = Op::Splice { block, at, remove: insert.into(), insert: remove.into() };
        self.write_text(block, spliced, back)
    }

    pub(super) fn set_text(&mut self, block: BlockId, text: &str) -> Back {
        let back = Op::SetText { block, text: self.text(block)?.into() };
        self.write_text(block, text.into(), back)
    }

    pub(super) fn split(&mut self, block: BlockId, at: u32, new: BlockId) -> Back {
        self.free_name(new)?;
        self.room_for(1)?;
        let whole = self.utterance(block)?.clone();
        let outside = Refusal::OutsideText { block, at, chars: whole.text.chars().count() };
        let (first, second) = splicing::split(&whole, at, new).ok_or(outside)?;
        let index = self.position(block)?;
        self.minutes.blocks[index] = Arc::new(Block::Utterance(first));
        self.minutes.blocks.insert(index + 1, Arc::new(Block::Utterance(second)));
        let put = vec![Block::Utterance(whole)];
        Ok(vec![Op::PutBlocks { remove: vec![block, new], put, before: None }])
    }

    pub(super) fn join(&mut self, block: BlockId, next: BlockId) -> Back {
        let first = self.utterance(block)?.clone();
        let second = self.utterance(next)?.clone();
        let (from, to) = (self.position(block)?, self.position(next)?);
        if from >= to || !self.only_hidden_between(from, to) {
            return Err(Refusal::NotNeighbours { block, next });
        }
        if first.hidden.is_some() != second.hidden.is_some() {
            return Err(Refusal::HiddenDiffers { block, next });
        }
        let joined = splicing::join(&first, &second);
        bounds::block(&Block::Utterance(joined.clone()))?;
        let put: Vec<Block> = self.minutes.blocks[from..=to].iter().map(|kept| (**kept).clone()).collect();
        self.minutes.blocks[from] = Arc::new(Block::Utterance(joined));
        self.minutes.blocks.remove(to);
        let remove = self.minutes.blocks[from..to].iter().map(|kept| kept.id()).collect();
        let mut back = vec![Op::PutBlocks { remove, put, before: None }];
        for item in self.minutes.items.iter_mut().filter(|item| item.source == next) {
            back.push(Op::PutItem { item: item.clone() });
            item.source = block;
        }
        Ok(back)
    }

    /// Tells whether a reader sees the two places as neighbours.
    fn only_hidden_between(&self, from: usize, to: usize) -> bool {
        let between = &self.minutes.blocks[from + 1..to];
        between.iter().all(|block| block.utterance().is_some_and(|said| said.hidden.is_some()))
    }

    pub(super) fn set_mark(&mut self, block: BlockId, mark: Mark, on: bool) -> Back {
        if self.utterance(block)?.marks.contains(&mark) == on {
            return Ok(Vec::new());
        }
        let marks = &mut self.utterance_mut(block)?.marks;
        if on {
            marks.insert(mark)
        } else {
            marks.remove(&mark)
        };
        Ok(vec![Op::SetMark { block, mark, on: !on }])
    }

    pub(super) fn set_hidden(&mut self, block: BlockId, reason: Option<&str>) -> Back {
        if let Some(reason) = reason {
            bounds::stable_word("reason", reason)?;
        }
        let hidden = &mut self.utterance_mut(block)?.hidden;
        let before = std::mem::replace(hidden, reason.map(Into::into));
        let is_same = *hidden == before;
        Ok(if is_same { Vec::new() } else { vec![Op::SetHidden { block, reason: before }] })
    }

    pub(super) fn set_edited(&mut self, block: BlockId, on: bool) -> Back {
        if self.utterance(block)?.edited == on {
            return Ok(Vec::new());
        }
        self.utterance_mut(block)?.edited = on;
        Ok(vec![Op::SetEdited { block, on: !on }])
    }

    fn text(&mut self, block: BlockId) -> Result<&str, Refusal> {
        let index = self.position(block)?;
        match &*self.minutes.blocks[index] {
            Block::Utterance(utterance) => Ok(&utterance.text),
            Block::Heading(heading) => Ok(&heading.text),
            Block::Gap(_) => Err(Refusal::WrongKind { block }),
        }
    }

    /// Writes a text; `back` undoes it but for the note that a person changed it.
    fn write_text(&mut self, block: BlockId, text: String, back: Op) -> Back {
        bounds::text("text", &text, bounds::TEXT_CHARS_MAX)?;
        if self.text(block)? == text {
            return Ok(Vec::new());
        }
        let index = self.position(block)?;
        match Arc::make_mut(&mut self.minutes.blocks[index]) {
            Block::Utterance(utterance) => {
                utterance.text = text;
                let was_edited = std::mem::replace(&mut utterance.edited, true);
                let untouched = (!was_edited).then_some(Op::SetEdited { block, on: false });
                Ok([back].into_iter().chain(untouched).collect())
            }
            Block::Heading(heading) => {
                heading.text = text;
                Ok(vec![back])
            }
            Block::Gap(_) => Err(Refusal::WrongKind { block }),
        }
    }
}
