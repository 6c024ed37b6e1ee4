#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

StandardStreams.open()
Interruption.handle()
exit(Root.run(ProgramArguments.words))
