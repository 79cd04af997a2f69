import Links
import Replication
import Synchronization

/// Holds back what users are told of their writes until so many other regions have them on their disks (`durability`).
///
///     writer ──hold──▶ waiting ──acknowledged by the last region that it takes──▶ durable
///                         └──────────────────── time is up ─────────────────────▶ not replicated
///
/// Any thread calls.
final class RegionDurability: Sendable {
    private struct Waiting {
        let origin: Origin
        let sequence: UInt64
        /// Monotonic milliseconds.
        let deadline: Int64
        let answer: @Sendable (Bool) -> Void
    }

    private struct Synced: Hashable {
        let origin: Origin
        let region: UInt8
    }

    private struct State {
        var otherRegions = 0
        var timeoutMilliseconds: Int64 = 0
        /// Of each log of this node, how far the furthest node of each other region has it on its disk. A process has few
        /// lives.
        var synced: [Synced: UInt64] = [:]
        var waiting: [Waiting] = []
        var hasEnded = false
        var unreplicated: UInt64 = 0

        /// The sequence up to which the log is as safe as it has to be.
        func level(_ origin: Origin) -> UInt64 {
            guard otherRegions > 0 else { return .max }
            let heads = synced.filter { $0.key.origin == origin }.values.sorted(by: >)
            return heads.count < otherRegions ? 0 : heads[otherRegions - 1]
        }

        /// Takes those out for which it is decided, in their order.
        mutating func take(where isDecided: (Waiting) -> Bool) -> [Waiting] {
            let taken = waiting.filter(isDecided)
            if !taken.isEmpty { waiting.removeAll(where: isDecided) }
            return taken
        }
    }

    private let ownRegion: UInt8
    private let state = Mutex(State())
    /// Called when there is a first deadline to look at.
    private let wake: @Sendable () -> Void

    init(ownRegion: UInt8, wake: @escaping @Sendable () -> Void = {}) {
        (self.ownRegion, self.wake) = (ownRegion, wake)
    }

    /// - otherRegions: 0 for none to wait for. What waits goes by the new number at once, and keeps its deadline.
    func set(otherRegions: Int, timeoutMilliseconds: Int64) {
        let settled = state.withLock { state in
            (state.otherRegions, state.timeoutMilliseconds) = (otherRegions, timeoutMilliseconds)
            let levels = Dictionary(
                uniqueKeysWithValues: Set(state.waiting.map(\.origin)).map { ($0, state.level($0)) })
            return state.take { levels[$0.origin]! >= $0.sequence }
        }
        for waiting in settled { waiting.answer(true) }
    }

    /// `answer`: whether the entry is durable in enough regions; called once, on this thread or another.
    func hold(_ origin: Origin, _ sequence: UInt64, at ticks: Int64, answer: @escaping @Sendable (Bool) -> Void) {
        let (decision, isFirst): (Bool?, Bool) = state.withLock { state in
            if state.level(origin) >= sequence { return (true, false) }
            if state.hasEnded {
                state.unreplicated += 1
                return (false, false)
            }
            state.waiting.append(
                Waiting(
                    origin: origin, sequence: sequence, deadline: ticks + state.timeoutMilliseconds, answer: answer))
            return (nil, state.waiting.count == 1)
        }
        if let decision { answer(decision) } else if isFirst { wake() }
    }

    /// A node has synced the log of that life so far.
    func acknowledged(_ node: NodeID, of origin: Origin, through sequence: UInt64) {
        guard node.region != ownRegion else { return }
        let settled = state.withLock { state in
            let key = Synced(origin: origin, region: node.region)
            guard sequence > state.synced[key] ?? 0 else { return [Waiting]() }
            state.synced[key] = sequence
            guard !state.waiting.isEmpty else { return [] }
            let level = state.level(origin)
            return state.take { $0.origin == origin && $0.sequence <= level }
        }
        for waiting in settled { waiting.answer(true) }
    }

    /// What has waited too long is told so.
    func expire(at ticks: Int64) {
        let late = state.withLock { state in
            let late = state.take { $0.deadline <= ticks }
            state.unreplicated += UInt64(late.count)
            return late
        }
        for waiting in late { waiting.answer(false) }
    }

    /// Nobody acknowledges anything any more.
    func end() {
        state.withLock { $0.hasEnded = true }
        expire(at: .max)
    }

    /// When the first one has waited too long; nil if none waits.
    var nextDeadline: Int64? { state.withLock { $0.waiting.lazy.map(\.deadline).min() } }

    var waitingCount: Int { state.withLock { $0.waiting.count } }
    var unreplicatedCount: UInt64 { state.withLock { $0.unreplicated } }
}

extension RegionDurability {
    func set(_ configuration: Configuration) {
        set(
            otherRegions: configuration.durability.otherRegions,
            timeoutMilliseconds: configuration.durabilityTimeoutMilliseconds)
    }
}
