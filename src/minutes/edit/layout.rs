//! Operations on what stands where: headings, and blocks in the place of blocks.

use std::sync::Arc;

use super::apply::{Back, Desk};
use super::{Op, Refusal, bounds};
use crate::minutes::{Block, BlockId, Heading};

impl Desk {
    pub(super) fn add_heading(
        &mut self,
        id: BlockId,
        level: u8,
        text: &str,
        before: Option<BlockId>,
    ) -> Back {
        self.free_name(id)?;
        self.room_for(1)?;
        let index = self.place(before)?;
        let at_ms = self.minutes.blocks.get(index).and_then(|block| start_of(block));
        let heading = Block::Heading(Heading { id, level, text: text.into(), at_ms });
        bounds::block(&heading)?;
        self.minutes.blocks.insert(index, Arc::new(heading));
        Ok(vec![Op::RemoveHeading { block: id }])
    }

    pub(super) fn set_level(&mut self, block: BlockId, level: u8) -> Back {
        bounds::level(level)?;
        let index = self.position(block)?;
        match Arc::make_mut(&mut self.minutes.blocks[index]) {
            Block::Heading(heading) => {
                let before = std::mem::replace(&mut heading.level, level);
                Ok(if before == level { Vec::new() } else { vec![Op::SetLevel { block, level: before }] })
            }
            Block::Utterance(_) | Block::Gap(_) => Err(Refusal::WrongKind { block }),
        }
    }

    pub(super) fn remove_heading(&mut self, block: BlockId) -> Back {
        let index = self.position(block)?;
        if !matches!(&*self.minutes.blocks[index], Block::Heading(_)) {
            return Err(Refusal::WrongKind { block });
        }
        self.put_blocks(&[block], &[], None)
    }

    pub(super) fn put_blocks(&mut self, remove: &[BlockId], put: &[Block], before: Option<BlockId>) -> Back {
        let from = self.passage(remove, before)?;
        let to = from + remove.len();
        self.room_for(put.len().saturating_sub(remove.len()))?;
        self.check_put(from..to, put)?;
        self.check_sources(remove, put)?;
        let new = put.iter().map(|block| Arc::new(block.clone()));
        let gone: Vec<Arc<Block>> = self.minutes.blocks.splice(from..to, new).collect();
        if gone.is_empty() && put.is_empty() {
            return Ok(Vec::new());
        }
        let before = if put.is_empty() { self.id_at(from) } else { None };
        let remove = put.iter().map(Block::id).collect();
        let put = gone.iter().map(|block| (**block).clone()).collect();
        Ok(vec![Op::PutBlocks { remove, put, before }])
    }

    /// Finds where the blocks that go begin, or where something is added.
    fn passage(&mut self, remove: &[BlockId], before: Option<BlockId>) -> Result<usize, Refusal> {
        let Some(&first) = remove.first() else { return self.place(before) };
        if let Some(before) = before {
            return Err(Refusal::bad("before", before.0));
        }
        let from = self.position(first)?;
        for (offset, &block) in remove.iter().enumerate().skip(1) {
            self.position(block)?;
            if self.id_at(from + offset) != Some(block) {
                return Err(Refusal::NotNeighbours { block: remove[offset - 1], next: block });
            }
        }
        Ok(from)
    }

    /// Passes blocks whose values, names and speakers are usable once those of the range are gone.
    fn check_put(&self, gone: std::ops::Range<usize>, put: &[Block]) -> Result<(), Refusal> {
        let (head, tail) = (&self.minutes.blocks[..gone.start], &self.minutes.blocks[gone.end..]);
        let mut coming: Vec<BlockId> = put.iter().map(Block::id).collect();
        coming.sort_unstable();
        if let Some(twice) = coming.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Refusal::NameTaken { id: twice[0] });
        }
        let is_taken = |block: &&Arc<Block>| coming.binary_search(&block.id()).is_ok();
        if let Some(block) = head.iter().chain(tail).find(is_taken) {
            return Err(Refusal::NameTaken { id: block.id() });
        }
        for block in put {
            bounds::block(block)?;
            if let Some(speaker) = block.utterance().and_then(|utterance| utterance.speaker) {
                self.known_speaker(speaker)?;
            }
        }
        Ok(())
    }

    /// Passes blocks that may go because no item comes from them, or because they come back.
    fn check_sources(&self, remove: &[BlockId], put: &[Block]) -> Result<(), Refusal> {
        for item in &self.minutes.items {
            let block = item.source;
            if remove.contains(&block) && !put.iter().any(|kept| kept.id() == block) {
                return Err(Refusal::BlockInUse { block, item: item.id });
            }
        }
        Ok(())
    }
}

fn start_of(block: &Block) -> Option<u64> {
    match block {
        Block::Utterance(utterance) => Some(utterance.start_ms),
        Block::Heading(heading) => heading.at_ms,
        Block::Gap(gap) => Some(gap.start_ms),
    }
}
