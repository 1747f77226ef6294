//! Files larger than a block: the balanced tree of dag-pb nodes, written while the bytes stream, and read back.
//! Of UnixFS it knows the file and nothing else: no directory, no metadata, no symlink.

use super::{Cid, Layout, MAX_LINKS, RAW, block_cid, parts};
use crate::ProtocolError;
use crate::digest::Digest;
use crate::error::{equal, in_range};

/// One part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The block.
    pub cid: Cid,
    /// Length of all blocks at and below it, in bytes.
    pub dag_bytes: u64,
    /// Length of the part of the file, in bytes.
    pub file_bytes: u64,
}

/// CID of a file. A file of at most 1 MiB is one raw block.
pub fn file_cid(bytes: &[u8]) -> Cid {
    let mut writer = FileWriter::new();
    writer.write(bytes, &mut |_, _| {});
    writer.finish(&mut |_, _| {}).cid
}

/// Takes a file's bytes as they come and gives away its blocks, leaves first.
#[derive(Debug, Clone)]
pub struct FileWriter {
    layout: Layout,
    leaf: Vec<u8>,
    /// `levels[0]` are leaves that have no parent yet, `levels[1]` their parents, and so on.
    levels: Vec<Vec<Link>>,
}

impl FileWriter {
    /// An empty file in the layout of everything of ours.
    pub fn new() -> Self {
        Self::with_layout(Layout::V1_2025)
    }

    /// An empty file in another layout: to hold a file against a CID that somebody else gave it.
    pub fn with_layout(layout: Layout) -> Self {
        Self { layout, leaf: Vec::new(), levels: Vec::new() }
    }

    /// Appends bytes; calls `block` for each block that became complete.
    pub fn write(&mut self, mut bytes: &[u8], block: &mut dyn FnMut(Cid, &[u8])) {
        while !bytes.is_empty() {
            if self.leaf.len() == self.layout.block_bytes {
                self.end_leaf(block);
            }
            let (taken, rest) = bytes.split_at(bytes.len().min(self.layout.block_bytes - self.leaf.len()));
            self.leaf.extend_from_slice(taken);
            bytes = rest;
        }
    }

    /// Ends the file: the remaining blocks, and the link to its root.
    pub fn finish(mut self, block: &mut dyn FnMut(Cid, &[u8])) -> Link {
        // The last leaf is still in the buffer, also when it is full: an empty file is one empty leaf.
        self.end_leaf(block);
        let mut at = 0;
        loop {
            let links = std::mem::take(&mut self.levels[at]);
            let top = at + 1 == self.levels.len();
            if let ([root], true) = (links.as_slice(), top) {
                return *root;
            }
            if !links.is_empty() {
                let parent = end_node(self.layout, &links, block);
                self.add(at + 1, parent, block);
            }
            at += 1;
        }
    }

    fn end_leaf(&mut self, block: &mut dyn FnMut(Cid, &[u8])) {
        let len = self.leaf.len() as u64;
        let link = if self.layout.raw_leaves {
            let cid = block_cid(RAW, Digest::of(&self.leaf));
            block(cid, &self.leaf);
            Link { cid, dag_bytes: len, file_bytes: len }
        } else {
            let wrapped = wrapped_leaf(&self.leaf);
            let cid = self.layout.node_cid(Digest::of(&wrapped));
            block(cid, &wrapped);
            Link { cid, dag_bytes: wrapped.len() as u64, file_bytes: len }
        };
        self.leaf.clear();
        self.add(0, link, block);
    }

    fn add(&mut self, level: usize, link: Link, block: &mut dyn FnMut(Cid, &[u8])) {
        if self.levels.len() <= level {
            self.levels.push(Vec::new());
        }
        // A full node is closed when its next sibling comes, so that a full root gets no lone parent.
        if self.levels[level].len() == self.layout.max_links {
            let full = std::mem::take(&mut self.levels[level]);
            let parent = end_node(self.layout, &full, block);
            self.add(level + 1, parent, block);
        }
        self.levels[level].push(link);
    }
}

impl Default for FileWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// A leaf as a UnixFS file of its own: type file, the bytes unless there are none, their number.
fn wrapped_leaf(bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(bytes.len() + 16);
    field_number(&mut data, 1, 2);
    if !bytes.is_empty() {
        field_bytes(&mut data, 2, bytes);
    }
    field_number(&mut data, 3, bytes.len() as u64);
    let mut out = Vec::with_capacity(data.len() + 8);
    field_bytes(&mut out, 1, &data);
    out
}

fn end_node(layout: Layout, links: &[Link], block: &mut dyn FnMut(Cid, &[u8])) -> Link {
    let node = FileNode { links: links.to_vec() };
    let bytes = node.encode();
    let cid = layout.node_cid(Digest::of(&bytes));
    block(cid, &bytes);
    let below: u64 = links.iter().map(|link| link.dag_bytes).sum();
    Link { cid, dag_bytes: below + bytes.len() as u64, file_bytes: node.file_bytes() }
}

/// An inner node of a file: its parts in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileNode {
    /// 1 … 1024 parts.
    pub links: Vec<Link>,
}

impl FileNode {
    /// Length of the file below this node, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.links.iter().map(|link| link.file_bytes).sum()
    }

    /// The dag-pb block: the links, then the UnixFS data (type file, file size, sizes of the parts).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for link in &self.links {
            let cid = link.cid.to_bytes();
            let mut pb = Vec::with_capacity(cid.len() + 16);
            field_bytes(&mut pb, 1, &cid);
            field_bytes(&mut pb, 2, b"");
            field_number(&mut pb, 3, link.dag_bytes);
            field_bytes(&mut out, 2, &pb);
        }
        let mut data = Vec::new();
        field_number(&mut data, 1, 2);
        field_number(&mut data, 3, self.file_bytes());
        for link in &self.links {
            field_number(&mut data, 4, link.file_bytes);
        }
        field_bytes(&mut out, 1, &data);
        out
    }

    /// Reads a block strictly: what [`FileNode::encode`] would not have written is refused.
    ///
    /// # Errors
    /// No link or more than 1024, names, sizes that do not fit, or any other form.
    pub fn decode(block: &[u8]) -> Result<Self, ProtocolError> {
        in_range("UnixFS node length", block.len() as u64, 1, 1 << 17)?;
        let mut reader = Reader { bytes: block, at: 0 };
        let mut found: Vec<(Cid, u64)> = Vec::new();
        while reader.peek() == Some(0x12) {
            let mut link = Reader { bytes: reader.field(0x12)?, at: 0 };
            let cid = Cid::try_from(link.field(0x0a)?).map_err(|e| invalid(e.to_string()))?;
            if parts(&cid)?.0 == super::DAG_CBOR {
                return Err(invalid("a link to DAG-CBOR".into()));
            }
            equal("length of a link's name", 0, link.field(0x12)?.len() as u64)?;
            found.push((cid, link.number(0x18)?));
        }
        in_range("links of a UnixFS node", found.len() as u64, 1, MAX_LINKS as u64)?;
        let mut data = Reader { bytes: reader.field(0x0a)?, at: 0 };
        equal("UnixFS type", 2, data.number(0x08)?)?;
        let file_bytes = data.number(0x18)?;
        let mut links = Vec::with_capacity(found.len());
        let mut sum = 0u64;
        for (cid, dag_bytes) in found {
            let part = data.number(0x20)?;
            sum = sum.checked_add(part).ok_or_else(|| invalid("sizes above 2^64".into()))?;
            links.push(Link { cid, dag_bytes, file_bytes: part });
        }
        equal("sum of the sizes of a file's parts", file_bytes, sum)?;
        let node = Self { links };
        if node.encode() == block { Ok(node) } else { Err(invalid("not in its canonical form".into())) }
    }
}

fn invalid(reason: String) -> ProtocolError {
    ProtocolError::Invalid { what: "UnixFS node", reason }
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn field_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn field_number(out: &mut Vec<u8>, field: u8, n: u64) {
    out.push(field << 3);
    varint(out, n);
}

/// Reads protobuf fields whose tags are known beforehand.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
    fn byte(&mut self) -> Result<u8, ProtocolError> {
        let byte = self.peek().ok_or_else(|| invalid("ends early".into()))?;
        self.at += 1;
        Ok(byte)
    }
    fn tag(&mut self, tag: u8) -> Result<(), ProtocolError> {
        equal("tag of a protobuf field", tag.into(), self.byte()?.into())
    }
    fn varint(&mut self) -> Result<u64, ProtocolError> {
        let mut n = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(invalid("a number above 2^63".into()))
    }
    fn number(&mut self, tag: u8) -> Result<u64, ProtocolError> {
        self.tag(tag)?;
        self.varint()
    }
    fn field(&mut self, tag: u8) -> Result<&'a [u8], ProtocolError> {
        self.tag(tag)?;
        let len = self.varint()?;
        let ended = || invalid("ends early".into());
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len)).ok_or_else(ended)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(ended)?;
        self.at = end;
        Ok(taken)
    }
}
