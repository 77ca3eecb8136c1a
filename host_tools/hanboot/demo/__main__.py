from hanboot.demo import main

main()
