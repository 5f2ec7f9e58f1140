//! Where do requests and jobs stand, without an allocation for each?

/// Places that are used again. It grows to the most that were in it at once, and never shrinks.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts something in a free place: `fill` is given what stood there before, if anything did.
    #[inline]
    pub(super) fn put(&mut self, new: impl FnOnce() -> T, fill: impl FnOnce(&mut T)) -> u32 {
        match self.free.pop() {
            Some(number) => {
                fill(&mut self.places[number as usize]);
                number
            }
            None => {
                let number = self.places.len() as u32;
                let mut place = new();
                fill(&mut place);
                self.places.push(place);
                number
            }
        }
    }

    /// The place may be used again; what stands there stays until then.
    #[inline]
    pub(super) fn free(&mut self, number: u32) {
        self.free.push(number);
    }

    #[inline]
    pub(super) fn at(&self, number: u32) -> &T {
        &self.places[number as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, number: u32) -> &mut T {
        &mut self.places[number as usize]
    }

    /// Every place, used or not.
    pub(super) fn places_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut()
    }

    pub(super) fn in_use(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
