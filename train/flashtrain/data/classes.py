"""Names of the classes, in the order of their labels."""

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer",
                   "dog", "frog", "horse", "ship", "truck")

CIFAR100_CLASSES = tuple("""
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
    cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
    lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
    oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
    possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
    train trout tulip turtle wardrobe whale willow_tree wolf woman worm
""".split())

# The first word that WordNet gives each class, in the order of wnids.txt.
TINY_IMAGENET_CLASSES = tuple(" ".join("""
    Egyptian cat; reel; volleyball; rocking chair; lemon; bullfrog; basketball; cliff; espresso; plunger; parking meter; German shepherd; dining table;
    monarch; brown bear; school bus; pizza; guinea pig; umbrella; organ; oboe; maypole; goldfish; potpie; hourglass; seashore; computer keyboard; Arabian
    camel; ice cream; nail; space heater; cardigan; baboon; snail; coral reef; albatross; spider web; sea cucumber; backpack; Labrador retriever; pretzel;
    king penguin; sulphur butterfly; tarantula; lesser panda; pop bottle; banana; sock; cockroach; projectile; beer bottle; mantis; freight car;
    guacamole; remote control; European fire salamander; lakeside; chimpanzee; pay-phone; fur coat; alp; lampshade; torch; abacus; moving van; barrel;
    tabby; goose; koala; bullet train; CD player; teapot; birdhouse; gazelle; academic gown; tractor; ladybug; miniskirt; golden retriever; triumphal
    arch; cannon; neck brace; sombrero; gasmask; candle; desk; frying pan; bee; dam; spiny lobster; police van; iPod; punching bag; beacon; jellyfish;
    wok; potter's wheel; sandal; pill bottle; butcher shop; slug; hog; cougar; crane; vestment; dragonfly; cash machine; mushroom; jinrikisha; water
    tower; chest; snorkel; sunglasses; fly; limousine; black stork; dugong; sports car; water jug; suspension bridge; ox; ice lolly; turnstile; Christmas
    stocking; broom; scorpion; wooden spoon; picket fence; rugby ball; sewing machine; steel arch bridge; Persian cat; refrigerator; barn; apron;
    Yorkshire terrier; swimming trunks; stopwatch; lawn mower; thatch; fountain; black widow; bikini; plate; teddy; barbershop; confectionery; beach
    wagon; scoreboard; orange; flagpole; American lobster; trolleybus; drumstick; dumbbell; brass; bow tie; convertible; bighorn; orangutan; American
    alligator; centipede; syringe; go-kart; brain coral; sea slug; cliff dwelling; mashed potato; viaduct; military uniform; pomegranate; chain; kimono;
    comic book; trilobite; bison; pole; boa constrictor; poncho; bathtub; grasshopper; walking stick; Chihuahua; tailed frog; lion; altar; obelisk;
    beaker; bell pepper; bannister; bucket; magnetic compass; meat loaf; gondola; standard poodle; acorn; lifeboat; binoculars; cauliflower; African
    elephant
""".split()).split("; "))
