//! Reads pickles as data.
//!
//! Python's pickles are programs for a stack machine that may call anything. This machine calls
//! nothing: a handful of calls that rebuild tensors and dictionaries are understood, objects of
//! any class become their bare state, everything else is refused.
//!
//! A pickle may use a value as often as it likes, at two bytes a use. So values are never copied:
//! they hold each other by index, and what is made of others points to them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::FormatError;
use super::super::budget::Budget;
use super::super::tensors::Number;

/// Most bytes of pickle that are read; a model's has a few thousand.
const MAX_BYTES: usize = 1 << 18;
/// Most dimensions of a tensor; a model's have four.
const MAX_DIMENSIONS: usize = 8;

/// Index of a value. Values hold each other by index, so that nothing recurses over a pickle's
/// nesting and shared parts are never copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// A value of a pickle.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// Whatever a model has no use for: None, booleans, floats, bytes.
    Other,
    Int(i64),
    Text(Cow<'a, str>),
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name that could be called, by the texts of its two parts.
    Global {
        module: Id,
        name: Id,
    },
    /// An object of some class, which is a name, by the state it was given.
    Object {
        class: Id,
        state: Option<Id>,
    },
    /// The memory that tensors lie in: the name of its class, that of its file in the archive, and
    /// how many values it has.
    Storage {
        class: Id,
        key: Id,
        length: Id,
    },
    /// A tensor, by what it is rebuilt from.
    Tensor {
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
    },
}

/// Where a tensor lies in a storage; lengths in values.
#[derive(Debug)]
pub(super) struct Place<'p> {
    pub(super) number: Number,
    /// Name of the storage's file in the archive.
    pub(super) key: &'p str,
    /// Values that the storage is said to have.
    pub(super) declared: usize,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// What the pickle is of.
    pub(super) root: Id,
}

impl<'a> Pickle<'a> {
    pub(super) fn parse(bytes: &'a [u8], budget: &mut Budget) -> Result<Self, FormatError> {
        if bytes.len() > MAX_BYTES {
            return Err(broken(&format!(
                "its pickle has {} bytes, more than the {MAX_BYTES} that a model's can have",
                bytes.len()
            )));
        }
        let machine = Machine {
            bytes,
            budget,
            pickle: Pickle {
                values: vec![Value::Other],
                root: OTHER,
            },
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        machine.run()
    }

    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    /// A name that could be called, in full.
    pub(super) fn name(&self, global: Id) -> Result<String, FormatError> {
        let (module, name) = self.global(global)?;
        Ok(format!("{module}.{name}"))
    }

    /// Where the tensor of this name lies.
    pub(super) fn place(&self, name: &str, tensor: Id) -> Result<Place<'_>, FormatError> {
        let &Value::Tensor {
            storage,
            offset,
            shape,
            strides,
        } = self.get(tensor)
        else {
            return Err(broken("its pickle lacks a tensor where one belongs"));
        };
        let &Value::Storage { class, key, length } = self.get(storage) else {
            return Err(broken("its pickle has a tensor without memory"));
        };
        let number = match self.global(class)? {
            ("torch", "FloatStorage") => Number::F32,
            ("torch", "DoubleStorage") => Number::F64,
            ("torch", "HalfStorage") => Number::F16,
            ("torch", "BFloat16Storage") => Number::Bf16,
            _ => {
                return Err(FormatError::Type {
                    name: name.into(),
                    found: self.name(class)?,
                });
            }
        };
        Ok(Place {
            number,
            key: self.text(key)?,
            declared: self.length(length)?,
            offset: self.length(offset)?,
            shape: self.lengths(name, shape)?,
            strides: self.lengths(name, strides)?,
        })
    }

    fn global(&self, id: Id) -> Result<(&str, &str), FormatError> {
        match *self.get(id) {
            Value::Global { module, name } => Ok((self.text(module)?, self.text(name)?)),
            _ => Err(broken("its pickle calls what is no name")),
        }
    }

    fn sequence(&self, id: Id) -> Result<&[Id], FormatError> {
        match self.get(id) {
            Value::Sequence(items) => Ok(items),
            _ => Err(broken("its pickle lacks a list where one belongs")),
        }
    }

    fn text(&self, id: Id) -> Result<&str, FormatError> {
        match self.get(id) {
            Value::Text(text) => Ok(text),
            _ => Err(broken("its pickle lacks a text where one belongs")),
        }
    }

    fn length(&self, id: Id) -> Result<usize, FormatError> {
        match self.get(id) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
        .ok_or_else(|| broken("its pickle has a tensor of impossible size"))
    }

    fn lengths(&self, name: &str, id: Id) -> Result<Vec<usize>, FormatError> {
        let lengths = self.sequence(id)?;
        if lengths.len() > MAX_DIMENSIONS {
            return Err(broken(&format!(
                "the tensor {name:?} has {} dimensions",
                lengths.len()
            )));
        }
        lengths.iter().map(|&id| self.length(id)).collect()
    }
}

fn broken(what: &str) -> FormatError {
    FormatError::Archive(what.into())
}

/// Where the one value of no use is.
const OTHER: Id = Id(0);

struct Machine<'a, 'b, 'c> {
    /// What is still to be read.
    bytes: &'a [u8],
    budget: &'b mut Budget<'c>,
    /// What was read.
    pickle: Pickle<'a>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a, '_, '_> {
    fn run(mut self) -> Result<Pickle<'a>, FormatError> {
        loop {
            let [opcode] = self.array()?;
            self.budget.spend(1)?;
            match opcode {
                b'.' => {
                    self.pickle.root = self.pop()?;
                    return Ok(self.pickle);
                }
                0x80 => {
                    let [protocol] = self.array()?;
                    if !(2..=5).contains(&protocol) {
                        return Err(broken(&format!("its pickle has protocol {protocol}")));
                    }
                }
                0x95 => drop(self.array::<8>()?),

                // Plain values.
                b'N' | 0x88 | 0x89 => self.stack.push(OTHER),
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                b'K' => {
                    let [value] = self.array()?;
                    self.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                0x8a => self.long()?,
                b'G' => {
                    self.array::<8>()?;
                    self.stack.push(OTHER);
                }
                b'X' | b'T' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length.into())?;
                }
                0x8c | b'U' => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                0x8d => {
                    let length = u64::from_le_bytes(self.array()?);
                    self.text(length)?;
                }
                b'C' => {
                    let [length] = self.array()?;
                    self.take(length.into())?;
                    self.stack.push(OTHER);
                }
                b'B' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.take(length.into())?;
                    self.stack.push(OTHER);
                }

                // Sequences and dictionaries.
                b'(' => self.marks.push(self.stack.len()),
                b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                b't' => {
                    let items = self.pop_marked()?;
                    self.push(Value::Sequence(items));
                }
                0x85..=0x87 => {
                    let mut items = (0x85..=opcode)
                        .map(|_| self.pop())
                        .collect::<Result<Vec<_>, _>>()?;
                    items.reverse();
                    self.push(Value::Sequence(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_marked()?;
                    self.append(items)?;
                }
                b's' => {
                    let items: [Id; 2] = self.pop_array()?;
                    self.set_items(&items)?;
                }
                b'u' => {
                    let items = self.pop_marked()?;
                    self.set_items(&items)?;
                }

                // The memo.
                b'q' => {
                    let [key] = self.array()?;
                    self.memoize(key.into())?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.memoize(key)?;
                }
                0x94 => self.memoize(self.memo.len() as u32)?,
                b'h' => {
                    let [key] = self.array()?;
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key)?;
                }
                b'0' => drop(self.pop()?),

                // Names, objects and calls.
                b'c' => {
                    let [module, name] = [self.line()?, self.line()?].map(|part| self.add(part));
                    self.push(Value::Global { module, name });
                }
                0x93 => {
                    let [module, name] = self.pop_array()?;
                    self.pickle.text(module)?;
                    self.pickle.text(name)?;
                    self.push(Value::Global { module, name });
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(storage);
                }
                0x81 => {
                    let [class, _arguments] = self.pop_array()?;
                    self.pickle.global(class)?;
                    self.push(Value::Object { class, state: None });
                }
                b'b' => {
                    let given = self.pop()?;
                    // Attributes of dictionaries, such as `_metadata`, are of no use.
                    if let Value::Object { state, .. } = self.top_value()? {
                        *state = Some(given);
                    }
                }
                b'R' => {
                    let [function, arguments] = self.pop_array()?;
                    let value = self.call(function, arguments)?;
                    self.stack.push(value);
                }
                other => {
                    return Err(broken(&format!("its pickle has the opcode {other:#04x}")));
                }
            }
        }
    }

    /// What the calls that a model's pickle has would return.
    fn call(&mut self, function: Id, arguments: Id) -> Result<Id, FormatError> {
        let pickle = &self.pickle;
        let arguments = pickle.sequence(arguments)?;
        let argument = |i: usize| match arguments.get(i) {
            Some(&argument) => Ok(argument),
            None => Err(broken(&format!(
                "its pickle calls {} with too little",
                pickle.name(function)?
            ))),
        };
        match pickle.global(function)? {
            ("torch._utils", "_rebuild_tensor_v2") => {
                let [storage, offset] = [argument(0)?, argument(1)?];
                let [shape, strides] = [argument(2)?, argument(3)?];
                if !matches!(pickle.get(storage), Value::Storage { .. }) {
                    return Err(broken("its pickle has a tensor without memory"));
                }
                Ok(self.add(Value::Tensor {
                    storage,
                    offset,
                    shape,
                    strides,
                }))
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                let tensor = argument(0)?;
                match pickle.get(tensor) {
                    Value::Tensor { .. } => Ok(tensor),
                    _ => Err(broken("its pickle has a parameter that is no tensor")),
                }
            }
            ("collections", "OrderedDict") => {
                let mut items = Vec::new();
                if let Some(&pairs) = arguments.first() {
                    let pairs = pickle.sequence(pairs)?;
                    // The only values that are copied.
                    self.budget.spend(pairs.len())?;
                    for &pair in pairs {
                        match *pickle.sequence(pair)? {
                            [key, value] => items.push((key, value)),
                            _ => return Err(broken("its pickle has a broken dictionary")),
                        }
                    }
                }
                Ok(self.add(Value::Dict(items)))
            }
            ("builtins" | "__builtin__", "set") => Ok(OTHER),
            _ => Err(FormatError::ForbiddenCall(pickle.name(function)?)),
        }
    }

    /// The storage that ('storage', class, key, device, length) names.
    fn storage(&self, id: Id) -> Result<Value<'a>, FormatError> {
        let &[_, class, key, _, length, ..] = self.pickle.sequence(id)? else {
            return Err(broken("its pickle names memory in an unknown way"));
        };
        self.pickle.global(class)?;
        self.pickle.text(key)?;
        Ok(Value::Storage { class, key, length })
    }

    /// Keeps a value.
    fn add(&mut self, value: Value<'a>) -> Id {
        let id = Id(self.pickle.values.len() as u32);
        self.pickle.values.push(value);
        id
    }

    fn push(&mut self, value: Value<'a>) {
        let id = self.add(value);
        self.stack.push(id);
    }

    fn pop(&mut self) -> Result<Id, FormatError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(broken("its pickle takes more than it has"));
        }
        self.stack
            .pop()
            .ok_or_else(|| broken("its pickle takes more than it has"))
    }

    fn pop_array<const N: usize>(&mut self) -> Result<[Id; N], FormatError> {
        let mut items = [OTHER; N];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        Ok(items)
    }

    fn pop_marked(&mut self) -> Result<Vec<Id>, FormatError> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| broken("its pickle lacks a mark"))?;
        // Nothing is taken from below a mark, so the stack reaches up to it.
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<Id, FormatError> {
        let top = self.stack.last().copied();
        top.ok_or_else(|| broken("its pickle takes more than it has"))
    }

    fn top_value(&mut self) -> Result<&mut Value<'a>, FormatError> {
        let top = self.top()?;
        Ok(&mut self.pickle.values[top.0 as usize])
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), FormatError> {
        match self.top_value()? {
            Value::Sequence(list) => list.extend(items),
            // Sets are of no use.
            Value::Other => {}
            _ => return Err(broken("its pickle appends to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), FormatError> {
        let (Value::Dict(dict), (pairs, [])) = (self.top_value()?, items.as_chunks::<2>()) else {
            return Err(broken("its pickle has a broken dictionary"));
        };
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn memoize(&mut self, key: u32) -> Result<(), FormatError> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), FormatError> {
        let id = self.memo.get(&key).copied();
        let id = id.ok_or_else(|| broken("its pickle recalls what it never memoized"))?;
        self.stack.push(id);
        Ok(())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], FormatError> {
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| self.bytes.split_at_checked(length));
        let (taken, rest) = taken.ok_or_else(|| broken("its pickle ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (array, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| broken("its pickle ends too early"))?;
        self.bytes = rest;
        Ok(*array)
    }

    fn text(&mut self, length: u64) -> Result<(), FormatError> {
        let text = String::from_utf8_lossy(self.take(length)?);
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<Value<'a>, FormatError> {
        let end = self.bytes.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| broken("its pickle ends too early"))?;
        let line = String::from_utf8_lossy(&self.bytes[..end]);
        self.bytes = &self.bytes[end + 1..];
        Ok(Value::Text(line))
    }

    /// An integer of up to 8 bytes, little-endian.
    fn long(&mut self) -> Result<(), FormatError> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            // Such as the seeds of random generators: of no use.
            self.stack.push(OTHER);
            return Ok(());
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }
}
