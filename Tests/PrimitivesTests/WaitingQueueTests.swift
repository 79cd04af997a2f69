import Dispatch
import Primitives
import Synchronization
import Testing

@Suite struct WaitingQueueTests {
    /// Each of several takers has one element in hand while the others wait: none sleeps while there is something.
    @Test func everyTakerIsWoken() {
        let takers = 8
        let queue = WaitingQueue<Int>(capacity: takers)
        let (entered, leave) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let threads = (0..<takers).map { number in
            SystemThread("taker-\(number)") {
                while let elements = queue.take(atMost: 1, timeoutMilliseconds: 60_000) {
                    for _ in elements {
                        entered.signal()
                        leave.wait()
                    }
                }
            }
        }
        for element in 0..<takers { #expect(queue.push(element)) }
        for number in 0..<takers {
            #expect(entered.wait(timeout: .now() + 30) == .success, "only \(number) of \(takers) came")
        }
        for _ in 0..<takers { leave.signal() }
        queue.close()
        for thread in threads { thread.join() }
    }
}
