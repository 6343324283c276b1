//! Operations on the header, on speakers, and on decisions, issues and to-dos.

use super::apply::{Back, Desk};
use super::{Op, Refusal, bounds};
use crate::minutes::{Block, BlockId, HeaderField, Item, ItemId, Speaker, SpeakerId};

/// Who spoke, and whether only the recogniser says so.
type SaidBy = (Option<SpeakerId>, bool);

impl Desk {
    pub(super) fn set_header(&mut self, field: HeaderField, value: &str) -> Back {
        bounds::header(field, value)?;
        let header = &mut self.minutes.header;
        let before =
            if value.is_empty() { header.remove(&field) } else { header.insert(field, value.into()) };
        let before = before.unwrap_or_default();
        Ok(if before == value { Vec::new() } else { vec![Op::SetHeader { field, value: before }] })
    }

    /// Writes who spoke, and whether only the recogniser says so.
    pub(super) fn set_speaker(&mut self, blocks: &[BlockId], said_by: SaidBy) -> Back {
        bounds::count("blocks", blocks.len(), bounds::BLOCKS_MAX)?;
        if let Some(speaker) = said_by.0 {
            self.known_speaker(speaker)?;
        }
        let mut back: Vec<(SaidBy, Vec<BlockId>)> = Vec::new();
        for &block in blocks {
            let said = self.utterance(block)?;
            let before = (said.speaker, said.speaker_automatic);
            if before == said_by {
                continue;
            }
            let said = self.utterance_mut(block)?;
            (said.speaker, said.speaker_automatic) = said_by;
            match back.iter_mut().find(|(who, _)| *who == before) {
                Some((_, blocks)) => blocks.push(block),
                None => back.push((before, vec![block])),
            }
        }
        let op = |((speaker, automatic), blocks)| Op::SetSpeaker { blocks, speaker, automatic };
        Ok(back.into_iter().map(op).collect())
    }

    pub(super) fn put_speaker(&mut self, speaker: &Speaker) -> Back {
        bounds::speaker(speaker)?;
        let speakers = &mut self.minutes.speakers;
        match speakers.iter_mut().find(|known| known.id == speaker.id) {
            Some(known) if known == speaker => Ok(Vec::new()),
            Some(known) => {
                let speaker = std::mem::replace(known, speaker.clone());
                Ok(vec![Op::PutSpeaker { speaker }])
            }
            None => {
                bounds::count("speakers", speakers.len() + 1, bounds::SPEAKERS_MAX)?;
                speakers.push(speaker.clone());
                Ok(vec![Op::RemoveSpeaker { speaker: speaker.id }])
            }
        }
    }

    pub(super) fn merge_speakers(&mut self, from: SpeakerId, into: SpeakerId) -> Back {
        self.known_speaker(from)?;
        self.known_speaker(into)?;
        if from == into {
            return Err(Refusal::bad("into", into.0));
        }
        let said = self.minutes.utterances().filter(|utterance| utterance.speaker == Some(from));
        let blocks: Vec<BlockId> = said.map(|utterance| utterance.id).collect();
        let given_back = self.set_speaker(&blocks, (Some(into), false))?;
        let mut back = self.remove_speaker(from)?;
        back.extend(given_back);
        Ok(back)
    }

    pub(super) fn remove_speaker(&mut self, speaker: SpeakerId) -> Back {
        let index = self.speaker_position(speaker)?;
        let uses = |block: &Block| block.utterance().is_some_and(|said| said.speaker == Some(speaker));
        if let Some(block) = self.minutes.blocks.iter().find(|block| uses(block)) {
            return Err(Refusal::SpeakerInUse { speaker, block: block.id() });
        }
        let gone = self.minutes.speakers.remove(index);
        let next = self.minutes.speakers.get(index).map(|next| next.id);
        let moved = next.map(|next| Op::MoveSpeaker { speaker, before: Some(next) });
        Ok([Op::PutSpeaker { speaker: gone }].into_iter().chain(moved).collect())
    }

    pub(super) fn move_speaker(&mut self, speaker: SpeakerId, before: Option<SpeakerId>) -> Back {
        let from = self.speaker_position(speaker)?;
        if before == Some(speaker) {
            return Err(Refusal::bad("before", speaker.0));
        }
        let to = before
            .map_or(Ok(self.minutes.speakers.len()), |next| self.speaker_position(next))
            .map(|to| if to > from { to - 1 } else { to })?;
        let back = self.minutes.speakers.get(from + 1).map(|next| next.id);
        let moved = self.minutes.speakers.remove(from);
        self.minutes.speakers.insert(to, moved);
        Ok(if from == to { Vec::new() } else { vec![Op::MoveSpeaker { speaker, before: back }] })
    }

    pub(super) fn put_item(&mut self, item: &Item) -> Back {
        bounds::item(item)?;
        self.position(item.source)?;
        let items = &mut self.minutes.items;
        match items.iter_mut().find(|known| known.id == item.id) {
            Some(known) if known == item => Ok(Vec::new()),
            Some(known) => Ok(vec![Op::PutItem { item: std::mem::replace(known, item.clone()) }]),
            None => {
                bounds::count("items", items.len() + 1, bounds::ITEMS_MAX)?;
                items.push(item.clone());
                Ok(vec![Op::RemoveItem { id: item.id }])
            }
        }
    }

    pub(super) fn remove_item(&mut self, id: ItemId) -> Back {
        let index = self.item_position(id)?;
        let item = self.minutes.items.remove(index);
        let next = self.minutes.items.get(index).map(|next| next.id);
        let moved = next.map(|next| Op::MoveItem { id, before: Some(next) });
        Ok([Op::PutItem { item }].into_iter().chain(moved).collect())
    }

    pub(super) fn move_item(&mut self, id: ItemId, before: Option<ItemId>) -> Back {
        let from = self.item_position(id)?;
        if before == Some(id) {
            return Err(Refusal::bad("before", id.0));
        }
        let to = before
            .map_or(Ok(self.minutes.items.len()), |next| self.item_position(next))
            .map(|to| if to > from { to - 1 } else { to })?;
        let back = self.minutes.items.get(from + 1).map(|next| next.id);
        let moved = self.minutes.items.remove(from);
        self.minutes.items.insert(to, moved);
        Ok(if from == to { Vec::new() } else { vec![Op::MoveItem { id, before: back }] })
    }

    fn speaker_position(&self, speaker: SpeakerId) -> Result<usize, Refusal> {
        let position = self.minutes.speakers.iter().position(|known| known.id == speaker);
        position.ok_or(Refusal::UnknownSpeaker { speaker })
    }

    fn item_position(&self, item: ItemId) -> Result<usize, Refusal> {
        let position = self.minutes.items.iter().position(|known| known.id == item);
        position.ok_or(Refusal::UnknownItem { item })
    }
}
