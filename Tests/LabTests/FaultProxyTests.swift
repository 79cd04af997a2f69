import Foundation
import Glibc
import Primitives
import Server
import Testing
import lab

/// What a proxy does to real connections.
struct FaultProxyTests {
    private let target = try! TestListener()

    /// A connection through the proxy, both ends of it.
    private func connection(_ proxy: FaultProxy) throws -> (near: TestSocket, far: TestSocket) {
        let near = try TestSocket(to: proxy.address)
        return (near, try target.accept())
    }

    private func sample(_ count: Int, seed: UInt64 = 5) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Until the proxy says so.
    private func wait(_ proxy: FaultProxy, for isSo: (FaultFigures) -> Bool) throws {
        let end = MonotonicTime.milliseconds + 30_000
        while !isSo(proxy.figures) {
            try #require(MonotonicTime.milliseconds < end, "it did not come to that: \(proxy.figures)")
            poll(nil, 0, 1)
        }
    }

    @Test func bytesPassBothWays() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        let (out, back) = (sample(3_000_000, seed: 1), sample(1_000_000, seed: 2))
        let sender = SystemThread("sender") { near.send(out) }
        let other = SystemThread("sender") { far.send(back) }
        let (came, wentBack) = (far.receive(out.count), Mutexed<[UInt8]>([]))
        let reader = SystemThread("reader") { wentBack.value = near.receive(back.count) }
        for thread in [sender, other, reader] { thread.join() }
        #expect(came == out && wentBack.value == back)
        #expect(proxy.figures.bytes == [out.count, back.count] && proxy.figures.connections == 1)
        #expect(proxy.figures.lateness.count > 0)
        // The end of one direction leaves the other open.
        near.endSending()
        #expect(far.receive(1).isEmpty)
        far.send([9])
        #expect(near.receive(1) == [9])
        far.endSending()
        #expect(near.receive(1).isEmpty)
        try wait(proxy) { $0.connections == 0 }
    }

    /// Not before their time: that much is sure of any machine.
    @Test func delayAndRate() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        proxy.set(.there) { $0.delayMilliseconds = 60 }
        var start = MonotonicTime.milliseconds
        near.send([1])
        #expect(far.receive(1) == [1] && MonotonicTime.milliseconds - start >= 60)
        proxy.set(.back) { $0.bytesPerSecond = 500_000 }
        let bytes = sample(100_000)
        start = MonotonicTime.milliseconds
        far.send(bytes)
        #expect(near.receive(bytes.count) == bytes && MonotonicTime.milliseconds - start >= 199)
        proxy.set { $0 = Faults() }
        near.send([2])
        #expect(far.receive(1) == [2])
        #expect(proxy.figures.lateness.quantile(0.5) > 0)
    }

    @Test func heldOneWay() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        proxy.set(.there) { $0.passage = .held }
        let bytes = sample(300_000)
        near.send(bytes)
        far.send([4])
        #expect(near.receive(1) == [4])
        try wait(proxy) { $0.queued == [bytes.count, 0] && $0.bytes == [0, 1] }
        #expect(!far.hasInput)
        proxy.set(.there) { $0.passage = .open }
        #expect(far.receive(bytes.count) == bytes)
    }

    @Test func droppedOneWay() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        proxy.set(.back) { $0.passage = .dropped }
        far.send(sample(1000))
        try wait(proxy) { $0.dropped == [0, 1000] }
        proxy.set(.back) { $0.passage = .open }
        far.send([5])
        #expect(near.receive(1) == [5])
    }

    @Test func stalledOneWay() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        proxy.set(.there) { $0.passage = .stalled }
        let sent = near.sendUntilFull(sample(1 << 16))
        #expect(sent > 0 && proxy.figures.queued == [0, 0] && proxy.figures.bytes == [0, 0])
        proxy.set(.there) { $0.passage = .open }
        #expect(far.receive(sent).count == sent)
    }

    @Test func cutAndMended() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        proxy.cut()
        #expect(near.isReset && far.isReset)
        #expect(throws: TestSocket.Refused.self) { try TestSocket(to: proxy.address) }
        proxy.cut()
        try proxy.heal()
        let (again, there) = try connection(proxy)
        again.send([1, 2])
        #expect(there.receive(2) == [1, 2])
        proxy.reset()
        #expect(again.isReset && there.isReset)
        let (third, end) = try connection(proxy)
        third.send([3])
        #expect(end.receive(1) == [3] && proxy.figures.cut == 2 && proxy.figures.accepted == 3)
    }

    /// What breaks on one side breaks on the other, and what was under way is not lost by an orderly end.
    @Test func endsPass() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        near.reset()
        #expect(far.isReset)
        proxy.set { $0.delayMilliseconds = 20 }
        let (other, there) = try connection(proxy)
        other.send(sample(50_000))
        other.close()
        #expect(there.receive(60_000) == sample(50_000))
    }

    @Test func chunksTwiceAndBitsTurned() throws {
        let proxy = try FaultProxy(target: target.address)
        let (near, far) = try connection(proxy)
        proxy.set(.there) { $0.duplicates = 1 }
        near.send([1, 2, 3])
        #expect(far.receive(6) == [1, 2, 3, 1, 2, 3])
        proxy.set(.there) { ($0.duplicates, $0.flips) = (0, 1) }
        let bytes = sample(1000)
        near.send(bytes)
        #expect(zip(bytes, far.receive(1000)).allSatisfy { ($0 ^ $1).nonzeroBitCount == 1 })
        #expect(proxy.figures.duplicated == [1, 0] && proxy.figures.flipped == [1000, 0])
    }

    @Test func whatWasSaidIsSaidAgain() throws {
        let proxy = try FaultProxy(target: target.address)
        proxy.record(atMost: 10)
        let (near, far) = try connection(proxy)
        near.send(Array(0..<20))
        #expect(far.receive(20).count == 20)
        far.send([77])
        #expect(near.receive(1) == [77] && proxy.recordings == [Array(0..<10)])
        let number = proxy.replay(proxy.recordings[0] + [99])
        let again = try target.accept()
        #expect(again.receive(11) == Array(0..<10) + [99])
        again.send([1, 2, 3])
        again.close()
        try wait(proxy) { _ in proxy.replay(number).isOver }
        #expect(proxy.replay(number).answer == [1, 2, 3] && proxy.recordings.count == 1)
    }

    @Test func targetsComeAndGo() throws {
        let proxy = try FaultProxy()
        #expect(try TestSocket(to: proxy.address).isReset)
        #expect(proxy.replay(proxy.replay([1])).isOver)
        proxy.aim(at: target.address)
        let (near, far) = try connection(proxy)
        near.send([8])
        #expect(far.receive(1) == [8])
        // Nobody listens there any more.
        let gone = try TestListener()
        proxy.aim(at: gone.address)
        gone.close()
        #expect(try TestSocket(to: proxy.address).isReset)
        #expect(proxy.figures.unanswered == 3 && proxy.figures.connections == 1)
        proxy.stop()
        #expect(near.receive(1).isEmpty)
    }

    // MARK: The command

    private func lab(_ arguments: [String]) throws -> (Process, input: Pipe, output: Pipe, error: Pipe) {
        let process = Process()
        let (input, output, error) = (Pipe(), Pipe(), Pipe())
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appending(path: "lab")
        process.arguments = ["proxy"] + arguments
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, error)
        try process.run()
        return (process, input, output, error)
    }

    @Test func command() throws {
        let (process, input, output, _) = try lab([
            "--target", "\(target.address)", "--delay", "15", "--rate", "1000000",
        ])
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let near = try TestSocket(to: try #require(ListenAddress(String(line.dropFirst(13).dropLast()))))
        let far = try target.accept()
        let start = MonotonicTime.milliseconds
        near.send([1, 2, 3])
        #expect(far.receive(3) == [1, 2, 3] && MonotonicTime.milliseconds - start >= 15)
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(process.terminationStatus == 0 && text.contains("1 connections; later than wanted: p50"), "\(text)")
    }

    @Test(arguments: [
        [], ["--target", "nowhere"], ["--target", "127.0.0.1:0"], ["--target", "127.0.0.1:1", "--delay", "-1"],
        ["--target", "127.0.0.1:1", "--rate", "0"], ["--target", "127.0.0.1:1", "--listen", "x"],
    ])
    func wrongUsage(arguments: [String]) throws {
        let (process, _, _, error) = try lab(arguments)
        process.waitUntilExit()
        let text = String(decoding: try error.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(process.terminationStatus == 64 && text.hasPrefix("lab: `--"), "\(text)")
    }
}
