//! Reads the few kinds of Python pickle that name tensors. Nothing in it is ever called.
//!
//! A pickle is a program for a stack machine that may ask to call anything by name. This machine knows a few names, and
//! what it does for them is written below; every other name, and every instruction that a checkpoint does not need, is
//! refused.
//!
//! Source: Python's `pickletools`, protocol 2; the instructions are those of the checkpoints in models/manifest.toml.

use std::rc::Rc;

use super::ModelError;
use super::cursor::Cursor;

/// Most instructions of one pickle; CAM++ has 28,582.
const STEPS_MAX: usize = 100_000;
/// Longest text inside a pickle.
const TEXT_BYTES_MAX: usize = 200;
/// Most values that may be remembered; CAM++ has 7,259.
const MEMO_MAX: usize = 32_768;

/// What a checkpoint tells about its training: read over, never made.
const READ_OVER: [&str; 4] = [
    "pyannote.audio.core.task.Problem",
    "pyannote.audio.core.task.Resolution",
    "pyannote.audio.core.task.Specifications",
    "torch.torch_version.TorchVersion",
];

/// A value on the stack.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// `None`, and what is not looked into.
    Nothing,
    /// A whole number; one too long for 64 bits counts as 0.
    Int(i64),
    /// A text.
    Text(String),
    /// A tuple or list.
    List(Vec<Rc<Value>>),
    /// A mapping in the order of its writer.
    Map(Vec<(Rc<Value>, Rc<Value>)>),
    /// A class or function, by its full name.
    Name(String),
    /// Something that lies outside of the pickle.
    Outside(Rc<Value>),
    /// A tensor: its storage, then where in it and in which shape.
    Tensor(Rc<Value>, Rc<Value>, Rc<Value>, Rc<Value>),
}

impl Value {
    /// Returns a value of a mapping by its key.
    pub fn get(&self, key: &str) -> Option<&Rc<Self>> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// Returns a text.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns a number that counts something.
    pub fn count(&self) -> Option<usize> {
        if let Self::Int(number) = self { usize::try_from(*number).ok() } else { None }
    }

    /// Returns the values of a tuple or list.
    pub fn list(&self) -> Option<&[Rc<Self>]> {
        if let Self::List(values) = self { Some(values) } else { None }
    }
}

/// Reads one pickle up to its end and leaves the input behind it.
///
/// Errors: [`ModelError::Pickle`] for whatever a checkpoint does not need, [`ModelError::Cut`].
pub(super) fn read(input: &mut Cursor<'_>) -> Result<Rc<Value>, ModelError> {
    let mut machine = Machine::default();
    for _ in 0..STEPS_MAX {
        if let Some(value) = machine.step(input)? {
            return Ok(value);
        }
    }
    Err(refused("it has too many instructions"))
}

#[derive(Default)]
struct Machine {
    stack: Vec<Rc<Value>>,
    marks: Vec<usize>,
    memo: Vec<Rc<Value>>,
}

impl Machine {
    /// Obeys one instruction; the last one returns the value.
    fn step(&mut self, input: &mut Cursor<'_>) -> Result<Option<Rc<Value>>, ModelError> {
        let code = input.u8("a pickle")?;
        match code {
            b'.' => return self.pop().map(Some),
            0x80 => drop(input.u8("a pickle")?),
            b'(' => self.marks.push(self.stack.len()),
            b'}' => self.push(Value::Map(Vec::new())),
            b']' | b')' => self.push(Value::List(Vec::new())),
            b'N' | 0x88 | 0x89 => self.push(Value::Nothing),
            b'K' | b'M' | b'J' | 0x8a => {
                let number = number(code, input)?;
                self.push(Value::Int(number));
            }
            b'G' => {
                input.take(8, "a pickle")?;
                self.push(Value::Nothing);
            }
            b'X' => {
                let length = input.u32("a pickle")? as usize;
                let text = text(input.take(length.min(TEXT_BYTES_MAX + 1), "a pickle")?)?;
                self.push(Value::Text(text));
            }
            b'c' => {
                let name = format!("{}.{}", line(input)?, line(input)?);
                self.push(Value::Name(name));
            }
            b'q' | b'r' => {
                let place =
                    if code == b'q' { input.u8("a pickle")?.into() } else { input.u32("a pickle")? };
                self.remember(place as usize)?;
            }
            b'h' | b'j' => {
                let place =
                    if code == b'h' { input.u8("a pickle")?.into() } else { input.u32("a pickle")? };
                let known = self.memo.get(place as usize).cloned();
                self.stack.push(known.ok_or_else(|| refused("it recalls what it has not remembered"))?);
            }
            code => self.build(code)?,
        }
        Ok(None)
    }

    /// Makes one value of several.
    fn build(&mut self, code: u8) -> Result<(), ModelError> {
        match code {
            b't' => {
                let values = self.since_mark()?;
                self.push(Value::List(values));
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(code - 0x84)).ok_or_else(short)?;
                let values = self.stack.split_off(from);
                self.push(Value::List(values));
            }
            b's' => {
                let from = self.stack.len().checked_sub(2).ok_or_else(short)?;
                let pair = self.stack.split_off(from);
                self.set(&pair)?;
            }
            b'u' => {
                let pairs = self.since_mark()?;
                self.set(&pairs)?;
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' => {
                let values = self.since_mark()?;
                self.append(values)?;
            }
            // The attributes of an object: a mapping of tensors needs none.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let value = self.pop()?;
                self.push(Value::Outside(value));
            }
            b'R' | 0x81 => {
                let (arguments, name) = (self.pop()?, self.pop()?);
                self.push(made(&name, &arguments)?);
            }
            code => return Err(refused(&format!("instruction {code:#04x} has no place in it"))),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Rc::new(value));
    }

    fn pop(&mut self) -> Result<Rc<Value>, ModelError> {
        self.stack.pop().ok_or_else(short)
    }

    fn since_mark(&mut self) -> Result<Vec<Rc<Value>>, ModelError> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(short)?;
        Ok(self.stack.split_off(mark))
    }

    fn set(&mut self, pairs: &[Rc<Value>]) -> Result<(), ModelError> {
        let Some(Value::Map(map)) = self.stack.last_mut().map(Rc::make_mut) else {
            return Err(refused("it fills what is no mapping"));
        };
        let (pairs, []) = pairs.as_chunks::<2>() else { return Err(refused("a key has no value")) };
        map.extend(pairs.iter().map(|[key, value]| (Rc::clone(key), Rc::clone(value))));
        Ok(())
    }

    fn append(&mut self, values: Vec<Rc<Value>>) -> Result<(), ModelError> {
        let Some(Value::List(list)) = self.stack.last_mut().map(Rc::make_mut) else {
            return Err(refused("it lengthens what is no list"));
        };
        list.extend(values);
        Ok(())
    }

    /// Remembers the topmost value as it is now: a later change of it is not seen by whoever recalls it, which a
    /// checkpoint does only with values that do not change.
    fn remember(&mut self, place: usize) -> Result<(), ModelError> {
        let value = self.stack.last().cloned().ok_or_else(short)?;
        if place != self.memo.len() || place >= MEMO_MAX {
            return Err(refused("it remembers too much, or out of order"));
        }
        self.memo.push(value);
        Ok(())
    }
}

/// Stands for what Python would make by calling `name`.
fn made(name: &Value, arguments: &Value) -> Result<Value, ModelError> {
    let arguments = arguments.list().ok_or_else(|| refused("it calls without arguments"))?;
    match (name, arguments) {
        (Value::Name(name), []) if name == "collections.OrderedDict" => Ok(Value::Map(Vec::new())),
        (Value::Name(name), [storage, offset, shape, strides, ..])
            if name == "torch._utils._rebuild_tensor_v2" =>
        {
            let parts = [storage, offset, shape, strides].map(Rc::clone);
            let [storage, offset, shape, strides] = parts;
            Ok(Value::Tensor(storage, offset, shape, strides))
        }
        (Value::Name(name), _) if READ_OVER.contains(&name.as_str()) => Ok(Value::Nothing),
        (Value::Name(name), _) => Err(refused(&format!("it asks to call {name:?}"))),
        _ => Err(refused("it asks to call what has no name")),
    }
}

fn number(code: u8, input: &mut Cursor<'_>) -> Result<i64, ModelError> {
    Ok(match code {
        b'K' => input.u8("a pickle")?.into(),
        b'M' => input.u16("a pickle")?.into(),
        b'J' => i64::from(input.u32("a pickle")?.cast_signed()),
        _ => {
            let length = input.u8("a pickle")?.into();
            long(input.take(length, "a pickle")?)
        }
    })
}

/// Reads a number of any length, little end first; torch writes addresses and its own mark in this form.
fn long(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    let Some(low) = wide.get_mut(..bytes.len()) else { return 0 };
    low.copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

fn line(input: &mut Cursor<'_>) -> Result<String, ModelError> {
    let mut bytes = Vec::new();
    loop {
        match input.u8("a pickle")? {
            b'\n' => return text(&bytes),
            byte => bytes.push(byte),
        }
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(refused("a name in it has no end"));
        }
    }
}

fn text(bytes: &[u8]) -> Result<String, ModelError> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(refused("a text in it is too long"));
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| ModelError::Text { what: "a pickle" })
}

fn short() -> ModelError {
    refused("it takes more from its stack than there is")
}

fn refused(why: &str) -> ModelError {
    ModelError::Pickle(why.to_owned())
}
