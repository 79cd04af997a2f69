import Glibc
import Primitives

/// The codes that are asked for most lately, in memory of a fixed size: the sketch "space-saving" of Metwally, Agrawal and
/// El Abbadi ("Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005), with counts that fade.
///
/// Of `capacity` counters each belongs to a code. A code without one takes over the smallest, and goes on from its count:
/// so a count is too high by at most what it began with, its *error*, and no error is above the weight of all requests divided
/// by the capacity. Every code with more than that share of the requests has a counter.
///
/// Requests come in batches, summed up by code, and of codes without a counter only those get one that end among the largest:
/// the rule by which two such sketches are merged (Agarwal et al., "Mergeable Summaries", 2012), with the same bounds. A batch of
/// one code is the algorithm of the paper.
///
/// A request's weight halves with each `halfLife` (forward decay: Cormode, Shkapenyuk, Srivastava and Xu, 2009): newer
/// requests weigh more instead of older ones less, so nothing has to be gone over. Of a code that is asked for r times a second
/// the weights come to r × halfLife / ln 2: that is how a rate is told from a count. All that is older than ten half-lives
/// counts for less than a thousandth.
package struct HotCodes: ~Copyable {
    package struct Hot: Equatable, Sendable {
        package let code: [UInt8]
        /// Requests a second over the last minutes or so, and by how much that may be too high.
        package let perSecond: Double
        package let error: Double
    }

    /// The weight of a request doubles so often before all are scaled back.
    private static let doublings: Double = 64
    /// A clock that goes back by more starts anew: what is older counts for nothing anyway.
    private static let setBackHalfLives: Int64 = 10

    private struct Counter {
        var hash: UInt64
        var code: [UInt8]
        var count: Double
        var error: Double
        /// Its place in the heap.
        var place: Int
    }

    package let capacity: Int
    package let halfLifeMilliseconds: Int64
    private var counters: [Counter] = []
    /// Indices of counters: none at i is smaller than that at (i - 1) / 2.
    private var heap: [Int] = []
    /// By the hash of the code; two codes of one hash would be one.
    private var indices: [UInt64: Int] = [:]
    private let hash = FoldedHash.random()
    /// Of the batch: entries whose codes have no counter.
    private var strangers: [Int] = []
    /// When a request weighs 1.
    private var start: Instant
    private var newest: Instant
    private var total: Double = 0

    package init(capacity: Int, halfLifeMilliseconds: Int64, now: Instant) {
        precondition(capacity > 0 && halfLifeMilliseconds > 0)
        (self.capacity, self.halfLifeMilliseconds) = (capacity, halfLifeMilliseconds)
        (start, newest) = (now, now)
        counters.reserveCapacity(capacity)
        heap.reserveCapacity(capacity)
        indices.reserveCapacity(capacity + 1)
    }

    /// Adds what `tally` holds beyond `known`, which has the requests of its first entries that were added before, and then of
    /// all. A clock that goes back weighs requests less.
    package mutating func add(_ tally: ClickTally, known: inout [UInt64], now: Instant) {
        let weight = weight(from: now)
        let floor = floor
        strangers.removeAll(keepingCapacity: true)
        for index in 0..<tally.count {
            let entry = unsafe tally.entry(at: index)
            if index == known.count { known.append(0) }
            let requests = unsafe entry.counts.sum - known[index]
            if requests == 0 { continue }
            total += Double(requests) * weight
            if let counter = unsafe indices[hash.hash(entry.code)] {
                counters[counter].count += Double(requests) * weight
                sink(counters[counter].place)
                known[index] &+= requests
            } else {
                strangers.append(index)
            }
        }
        for index in strangers {
            let entry = unsafe tally.entry(at: index)
            let requests = unsafe entry.counts.sum - known[index]
            unsafe admit(entry.code, Double(requests) * weight, above: floor)
            known[index] &+= requests
        }
    }

    /// A batch of one code.
    package mutating func add(_ code: [UInt8], requests: UInt64, now: Instant) {
        let added = Double(requests) * weight(from: now)
        total += added
        unsafe code.withUnsafeBytes { bytes in
            if let counter = unsafe indices[hash.hash(bytes)] {
                counters[counter].count += added
                sink(counters[counter].place)
            } else {
                unsafe admit(bytes, added, above: floor)
            }
        }
    }

    /// What a code without a counter may have had before.
    private var floor: Double { counters.count < capacity ? 0 : count(at: 0) }

    private mutating func admit(_ code: UnsafeRawBufferPointer, _ added: Double, above floor: Double) {
        let hash = unsafe hash.hash(code)
        if let counter = indices[hash] {
            // Another day's entry of the same code came before.
            counters[counter].count += added
            return sink(counters[counter].place)
        }
        var counter = Counter(hash: hash, code: [], count: floor + added, error: floor, place: 0)
        if counters.count < capacity {
            counter.code = unsafe Array(code)
            counter.place = heap.count
            indices[hash] = counters.count
            heap.append(counters.count)
            counters.append(counter)
            rise(heap.count - 1)
        } else if counter.count > count(at: 0) {
            counter.code = unsafe Array(code)
            indices[counters[heap[0]].hash] = nil
            indices[hash] = heap[0]
            counters[heap[0]] = counter
            sink(0)
        }
    }

    /// The codes of most weight, the hottest first, at most `count`.
    package func hottest(_ count: Int, now: Instant) -> [Hot] {
        let scale = perSecond / max(weight(now), 1)
        return counters.sorted { ($0.count - $0.error, $0.count) > ($1.count - $1.error, $1.count) }.prefix(count).map {
            Hot(code: $0.code, perSecond: $0.count * scale, error: $0.error * scale)
        }
    }

    /// Codes that are surely asked for more often than this.
    package func count(above perSecond: Double, now: Instant) -> Int {
        let bound = perSecond * max(weight(now), 1) / self.perSecond
        return counters.count { $0.count - $0.error > bound }
    }

    /// The most by which a rate may be too high: that of all requests, divided by the capacity.
    package func errorBound(now: Instant) -> Double { total / Double(capacity) * perSecond / max(weight(now), 1) }

    private var perSecond: Double { Glibc.log(2) * 1000 / Double(halfLifeMilliseconds) }

    /// Of a request at `now`, after all were scaled back if it had become too large.
    private mutating func weight(from now: Instant) -> Double {
        if newest.millisecondsSince(now) > Self.setBackHalfLives * halfLifeMilliseconds { forget(at: now) }
        newest = max(newest, now)
        let weight = weight(now)
        if weight <= exp2(Self.doublings) { return weight }
        begin(at: now)
        return 1
    }

    private func weight(_ now: Instant) -> Double {
        exp2(Double(now.millisecondsSince(start)) / Double(halfLifeMilliseconds))
    }

    /// Of a clock that was ahead and was set right: its requests would outweigh all others until it comes there again.
    private mutating func forget(at now: Instant) {
        (counters, heap, indices) = ([], [], [:])
        (total, start, newest) = (0, now, now)
    }

    /// Requests weigh 1 from now on, and older ones accordingly less.
    private mutating func begin(at now: Instant) {
        let scale = 1 / weight(now)
        for index in counters.indices {
            counters[index].count *= scale
            counters[index].error *= scale
        }
        total *= scale
        start = now
    }

    // MARK: The heap

    private func count(at place: Int) -> Double { counters[heap[place]].count }

    private mutating func sink(_ from: Int) {
        var place = from
        while true {
            var least = place
            for child in 2 * place + 1...2 * place + 2 where child < heap.count && count(at: child) < count(at: least) {
                least = child
            }
            if least == place { return }
            swap(place, least)
            place = least
        }
    }

    private mutating func rise(_ from: Int) {
        var place = from
        while place > 0, count(at: place) < count(at: (place - 1) / 2) {
            swap(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func swap(_ first: Int, _ second: Int) {
        heap.swapAt(first, second)
        counters[heap[first]].place = first
        counters[heap[second]].place = second
    }

    /// For tests: every counter is found by its code and its place, and none is smaller than its parent.
    package func checkInvariants() {
        precondition(indices.count == counters.count && heap.count == counters.count && counters.count <= capacity)
        for (index, counter) in counters.enumerated() {
            precondition(indices[counter.hash] == index && heap[counter.place] == index)
            precondition(counter.place == 0 || counter.count >= count(at: (counter.place - 1) / 2))
        }
    }
}
