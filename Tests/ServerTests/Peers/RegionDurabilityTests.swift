import Links
import Replication
import Synchronization
import Testing

@testable import Server

/// When a write that waits for other regions is answered, and how.
@Suite struct RegionDurabilityTests {
    /// What was answered, in order.
    private final class Answers: Sendable {
        private let list = Mutex<[String]>([])
        func note(_ name: String, _ isDurable: Bool) { list.withLock { $0.append(isDurable ? name : "not \(name)") } }
        func take() -> [String] {
            list.withLock { list in
                defer { list = [] }; return list
            }
        }
    }

    private let answers = Answers()
    private let wakes = Answers()
    private let origin = Origin(region: 0x31, node: 0, incarnation: 7)
    private let sibling = NodeID(region: 0x31, node: 1)
    private let near = NodeID(region: 0x32, node: 0)
    private let nearToo = NodeID(region: 0x32, node: 1)
    private let far = NodeID(region: 0x33, node: 0)

    private func make(_ otherRegions: Int, timeout: Int64 = 100) -> RegionDurability {
        let wakes = wakes
        let durability = RegionDurability(ownRegion: 0x31, wake: { wakes.note("wake", true) })
        durability.set(otherRegions: otherRegions, timeoutMilliseconds: timeout)
        return durability
    }

    private func hold(_ durability: RegionDurability, _ sequence: UInt64, of origin: Origin? = nil, at ticks: Int64 = 0)
    {
        let answers = answers
        durability.hold(origin ?? self.origin, sequence, at: ticks) { answers.note("\(sequence)", $0) }
    }

    @Test func nothingToWaitFor() {
        hold(make(0), 1)
        #expect(answers.take() == ["1"])
    }

    @Test func oneOtherRegion() {
        let durability = make(1)
        for sequence in 1...3 as ClosedRange<UInt64> { hold(durability, sequence) }
        #expect(answers.take() == [] && wakes.take() == ["wake"] && durability.waitingCount == 3)
        // A node of the own region goes with it.
        durability.acknowledged(sibling, of: origin, through: 3)
        #expect(answers.take() == [])
        durability.acknowledged(near, of: origin, through: 2)
        #expect(answers.take() == ["1", "2"])
        // What is known already is not waited for, and what is said late changes nothing.
        durability.acknowledged(near, of: origin, through: 1)
        hold(durability, 2)
        #expect(answers.take() == ["2"])
        durability.acknowledged(far, of: origin, through: 9)
        #expect(answers.take() == ["3"] && durability.waitingCount == 0 && durability.unreplicatedCount == 0)
    }

    /// Two nodes of one region are one region.
    @Test func twoOtherRegions() {
        let durability = make(2)
        hold(durability, 5)
        durability.acknowledged(near, of: origin, through: 5)
        durability.acknowledged(nearToo, of: origin, through: 8)
        #expect(answers.take() == [])
        durability.acknowledged(far, of: origin, through: 5)
        #expect(answers.take() == ["5"])
    }

    @Test func timeIsUp() {
        let durability = make(1)
        hold(durability, 1, at: 1000)
        hold(durability, 2, at: 1050)
        #expect(durability.nextDeadline == 1100)
        durability.expire(at: 1099)
        #expect(answers.take() == [])
        durability.expire(at: 1100)
        #expect(answers.take() == ["not 1"] && durability.nextDeadline == 1150 && durability.unreplicatedCount == 1)
        durability.acknowledged(near, of: origin, through: 2)
        #expect(answers.take() == ["2"] && durability.nextDeadline == nil)
    }

    /// Sequences begin again with a new life; what peers have of the old one says nothing of them.
    @Test func anotherLife() {
        let durability = make(1)
        let next = Origin(region: 0x31, node: 0, incarnation: 8)
        durability.acknowledged(near, of: origin, through: 100)
        hold(durability, 101)
        hold(durability, 1, of: next)
        #expect(answers.take() == [])
        durability.acknowledged(near, of: next, through: 1)
        #expect(answers.take() == ["1"])
        durability.expire(at: 100)
        #expect(answers.take() == ["not 101"])
    }

    @Test func otherNumbersByReload() {
        let durability = make(2)
        hold(durability, 1)
        hold(durability, 2)
        durability.acknowledged(near, of: origin, through: 1)
        durability.set(otherRegions: 1, timeoutMilliseconds: 100)
        #expect(answers.take() == ["1"])
        durability.acknowledged(near, of: origin, through: 2)
        #expect(answers.take() == ["2"])
        hold(durability, 3)
        durability.set(otherRegions: 0, timeoutMilliseconds: 100)
        #expect(answers.take() == ["3"])
    }

    @Test func theEnd() {
        let durability = make(1)
        hold(durability, 1)
        durability.end()
        hold(durability, 2)
        #expect(answers.take() == ["not 1", "not 2"] && durability.unreplicatedCount == 2)
    }
}
