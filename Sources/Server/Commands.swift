/// Runs a node until it is told to end. Returns the exit status.
package func runServer(_ configuration: Configuration) -> Int32 { notAvailable() }

/// Checks the store in the directory `data`. Returns the exit status.
package func runVerify(data: String) -> Int32 { notAvailable() }

/// Prints the live state of the store in the directory `data`. Returns the exit status.
package func runDump(data: String) -> Int32 { notAvailable() }

private func notAvailable() -> Int32 {
    StandardStream.error.write("edge: not available\n")
    return 1
}
