import CLinux
import Glibc
import Primitives
import Server
import Synchronization

/// A link between two programs that can be made as bad as real ones are: TCP from a port to a target, on a thread of its
/// own. Every call holds from its return on.
package final class FaultProxy: Sendable {
    package enum Direction: Int, Sendable, CaseIterable {
        /// From who connects to the target, and back.
        case there, back
    }

    /// What came of a replay.
    package struct Replay: Equatable, Sendable {
        package var answer: [UInt8] = []
        package var isOver = false
    }

    private let link: Mutex<FaultLink>
    private let wakeUp: Int32
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<SystemThread?>(nil)
    /// Where to connect.
    package let address: ListenAddress

    /// Listens on `listen` (port 0: any). `seed` decides where chance does. Nil as target: nobody answers until there is one.
    package init(
        listen: ListenAddress = ListenAddress(host: "127.0.0.1", port: 0), target: ListenAddress? = nil,
        seed: UInt64 = 1
    ) throws {
        let link = try FaultLink(listen, target, seed)
        try link.listen()
        (address, wakeUp) = (link.address, link.wakeUp)
        self.link = Mutex(link)
        let proxy = Unowned(self)
        thread.withLock { $0 = SystemThread("fault-proxy") { proxy.value.run() } }
    }

    /// Safety: the thread is joined before the proxy goes.
    private struct Unowned: @unchecked Sendable {
        unowned(unsafe) let value: FaultProxy
        init(_ value: FaultProxy) { self.value = value }
    }

    deinit { stop() }

    /// Closes everything. Once.
    package func stop() {
        guard let thread = thread.withLock({ $0.take() }) else { return }
        isStopping.store(true, ordering: .releasing)
        signal()
        thread.join()
        link.withLock { $0.end() }
    }

    private func run() {
        var ready = [epoll_event](repeating: epoll_event(), count: 64)
        let set = link.withLock { $0.set }
        while !isStopping.load(ordering: .acquiring) {
            let count = edge_epoll_wait(set, &ready, Int32(ready.count), -1)
            link.withLock { $0.turn(ready[..<max(0, Int(count))]) }
        }
    }

    private func signal() {
        var one: UInt64 = 1
        _ = write(wakeUp, &one, 8)
    }

    private func change<Result: Sendable>(_ body: (FaultLink) throws -> Result) rethrows -> Result {
        defer { signal() }
        return try link.withLock { try body($0) }
    }

    // MARK: Faults

    /// For connections that are there and those that will be; what waits already keeps its time.
    package func set(_ direction: Direction, _ change: (inout Faults) -> Void) {
        self.change { change(&$0.faults[direction.rawValue]) }
    }

    /// In both directions.
    package func set(_ change: (inout Faults) -> Void) {
        for direction in Direction.allCases { set(direction, change) }
    }

    /// As it is without faults.
    package func heal() throws {
        set { $0 = Faults() }
        try mend()
    }

    /// Resets the connections, and refuses new ones until `mend`.
    package func cut() {
        change { link in
            link.refuse()
            link.reset()
        }
    }

    package func mend() throws { try change { try $0.listen() } }

    /// Resets the connections; new ones can be made.
    package func reset() { change { $0.reset() } }

    /// Where new connections lead.
    package func aim(at target: ListenAddress?) { change { $0.target = target } }

    // MARK: Replay

    /// From now on keeps the first bytes of each new connection in the direction of the target, at most `byteCount`.
    package func record(atMost byteCount: Int) { change { $0.recordedBytes = byteCount } }

    /// One for each connection that was made while it recorded.
    package var recordings: [[UInt8]] { link.withLock { $0.recordings } }

    /// Sends bytes to the target on a connection of their own. Their number, for `replay`.
    package func replay(_ bytes: [UInt8]) -> Int { change { $0.replay(bytes) } }

    package func replay(_ number: Int) -> Replay { link.withLock { $0.replays[number] } }

    package var figures: FaultFigures { link.withLock { $0.currentFigures } }
}
