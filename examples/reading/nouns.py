"""The words that captions are made of.

Nouns are written in the singular. A noun of several words is a compound: its last word is the head.
"""


def _names(text: str) -> list[str]:
    """Splits "wine glass, cup, ..." at the commas."""
    return [" ".join(name.split()) for name in text.split(",") if name.strip()]


# The 80 object classes of COCO, and other everyday names of the same things.
COCO = _names("""
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
tie, suitcase, frisbee, ski, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, carrot, hot dog,
pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard,
cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, teddy bear, hair drier, toothbrush
""")
COCO_SYNONYMS = _names("""
bike, motorbike, plane, sofa, television, phone, mobile phone, doughnut, fridge, hair dryer, remote control,
computer mouse, table, plant, man, woman, boy, girl, child, kid, lady, guy, puppy, kitten, pickup truck, fire truck,
school bus, city bus, double decker bus, passenger train, sailboat, seagull, pigeon, polar bear, tennis ball,
soccer ball, baseball, bat, racket, glove, coffee cup, tea cup, coffee mug, computer keyboard, wall clock,
alarm clock, flower vase, stuffed animal, toaster oven, laptop computer, street sign, wine bottle, water bottle,
baseball player, tennis player, surfer, skier, snowboarder, skateboarder, toilet seat, toilet bowl, park bench
""")
PEOPLE = _names("""
farmer, doctor, nurse, chef, soldier, dancer, king, queen, prince, princess, baby, teenager, knight, wizard, witch,
pirate, astronaut, cowboy, clown, police officer, firefighter, teacher, student, painter, sailor, fisherman, waiter,
mechanic, cyclist, runner, swimmer, skater, musician, pilot, driver, passenger, tourist, couple, family, crowd,
bride, groom, ballerina, samurai, ninja, robot, monk, toddler, old man, young woman, little girl, young boy, player
""")
ANIMALS = _names("""
fox, wolf, lion, tiger, leopard, cheetah, deer, moose, goat, donkey, camel, kangaroo, koala, panda, monkey, gorilla,
squirrel, rabbit, bunny, hedgehog, raccoon, otter, beaver, seal, whale, dolphin, shark, fish, goldfish, octopus, crab,
lobster, snail, spider, ant, bee, butterfly, beetle, dragonfly, ladybug, fly, parrot, owl, eagle, hawk, penguin,
flamingo, peacock, rooster, hen, chicken, chick, duck, duckling, turkey, goose, swan, crow, sparrow, ostrich, lizard,
snake, crocodile, turtle, tortoise, frog, toad, dinosaur, dragon, unicorn, pig, piglet, lamb, calf, bull, ox, pony,
hippo, rhino, mole, hamster, guinea pig, sheep dog, golden retriever, mountain goat, sea turtle, rubber duck, bat
""")
VEHICLES = _names("""
ship, canoe, kayak, ferry, yacht, raft, submarine, tractor, wagon, cart, scooter, tram, trolley, van, taxi, cab, jeep,
limousine, ambulance, police car, sports car, race car, helicopter, rocket, spaceship, satellite, jet, hot air balloon,
balloon, drone, bulldozer, crane, excavator, forklift, carriage, stroller, wheelchair, sled, golf cart, garbage truck,
steam train, cruise ship, speed boat, rowing boat, fishing boat, food truck, tricycle, rickshaw, trailer, camper
""")
PLACES = _names("""
castle, bridge, mountain, river, tree, house, barn, cottage, cabin, tent, tower, lighthouse, windmill, skyscraper,
church, temple, pyramid, statue, monument, billboard, building, garage, hospital, school, store, shop, restaurant,
train station, bus stop, airport, runway, harbor, pier, dock, island, beach, desert, forest, meadow, lake, waterfall,
cave, garden, pond, swamp, volcano, hill, cliff, valley, field, park, playground, parking lot, road, street, sidewalk,
path, track, crosswalk, intersection, stadium, market, kitchen, bathroom, bedroom, living room, office, hallway, yard,
fountain, well, gate, fence, wall, brick wall, stone wall, ocean, sea, shore, sky, cloud, rainbow, star, moon, sun,
planet, comet, iceberg, palm tree, pine tree, apple tree, christmas tree, water tower, clock tower, church tower,
street lamp, street light, lamp post, telephone pole, wind turbine, swimming pool, ski slope, tennis court, farm
""")
PLANTS = _names("""
flower, rose, tulip, cactus, sunflower, daisy, lily, orchid, bush, shrub, leaf, branch, log, twig, stump, vine, moss,
hedge, bouquet, flower bed, flower pot, rock, stone, boulder, pebble, shell, seashell, feather, nest, acorn
""")
FOOD = _names("""
watermelon, pineapple, strawberry, blueberry, cherry, grape, peach, pear, plum, mango, coconut, lemon, lime, kiwi,
avocado, tomato, potato, onion, pepper, bell pepper, cucumber, pumpkin, mushroom, eggplant, radish, turnip, bagel,
croissant, muffin, cupcake, cookie, pie, pancake, waffle, egg, fried egg, omelette, steak, sausage, burger, hamburger,
cheeseburger, taco, burrito, noodle, salad, pretzel, lollipop, candy, sushi roll, ice cream cone, birthday cake,
chocolate cake, apple pie, pizza slice, bread loaf, coffee, cheese sandwich, lunch box, chili pepper, fruit bowl
""")
HOUSEHOLD = _names("""
ladder, bucket, barrel, lantern, mirror, window, curtain, blanket, pillow, cushion, carpet, rug, mat, shelf, bookshelf,
cabinet, drawer, wardrobe, closet, dresser, stool, armchair, desk, nightstand, lamp, desk lamp, floor lamp, candle,
candlestick, chandelier, fireplace, staircase, stair, door, doorway, balcony, counter, kitchen counter, bathtub,
bath tub, shower, shower curtain, faucet, tap, towel, soap, soap bar, toilet paper roll, tissue box, trash can,
trash bin, broom, mop, bucket, vacuum cleaner, sponge, brush, hair brush, comb, razor, iron, ironing board,
washing machine, dishwasher, stove, kettle, tea kettle, teapot, coffee pot, coffee maker, blender, mixer, pan, pot,
frying pan, saucepan, cutting board, plate, tray, saucer, mug, pitcher, jug, jar, can, lid, napkin, tablecloth,
whisk, ladle, spatula, chopstick, straw, basket, picnic basket, crate, box, cardboard box, package, bag, paper bag,
shopping bag, coffee table, kitchen table, picnic table, office chair, rocking chair, bunk bed, picture frame,
fan, ceiling fan, heater, radiator, light bulb, light switch, rope, chain, hook, nail, screw, hammer, wrench, saw,
drill, screwdriver, shovel, rake, hose, watering can, wheelbarrow, bird cage, bird house, dog house, fish bowl
""")
CLOTHES = _names("""
hat, cap, helmet, beret, crown, scarf, jacket, coat, sweater, shirt, dress, skirt, suit, uniform, sock, shoe, boot,
sandal, sneaker, high heel, belt, purse, wallet, briefcase, watch, wrist watch, ring, necklace, bracelet, mask, wig,
apron, bow tie, cowboy hat, top hat, baseball cap, straw hat, life jacket, ribbon, button, zipper, mitten
""")
THINGS = _names("""
newspaper, magazine, notebook, letter, envelope, stamp, card, pencil, pen, crayon, marker, paintbrush, easel, canvas,
painting, sculpture, poster, photograph, calendar, globe, map, compass, magnet, battery, printer, tablet, headphone,
microphone, speaker, radio, stapler, calculator, camera, telescope, computer, computer monitor, monitor, screen,
computer screen, desktop computer, puzzle, doll, toy, toy car, block, drum, piano, guitar, violin, trumpet, flute,
harp, accordion, marble, chessboard, trophy, medal, flag, banner, coin, key, lock, sign, arrow, anchor, sword, shield,
axe, bow, cannon, treasure chest, book bag, basketball, football, volleyball, golf ball, beach ball, golf club,
hockey stick, soccer goal, basketball hoop, net, swing, slide, seesaw, trampoline, dumbbell, bowling pin, tire, wheel,
front wheel, engine, mailbox, phone booth, bicycle rack, gift box, present, jewel, pearl, diamond, crystal,
snowman, snow globe, pinwheel, beach chair, beach umbrella, beach towel, surf board, tennis net, fishing rod,
hot tub, dice, domino, cube, sphere, cone, cylinder, pyramid, triangle, circle, square, box kite
""")
NOUNS = PEOPLE + ANIMALS + VEHICLES + PLACES + PLANTS + FOOD + HOUSEHOLD + CLOTHES + THINGS
PAIRS = _names("""
scissors, skis, glasses, sunglasses, jeans, pants, trousers, shorts, pajamas, headphones, binoculars, goggles, pliers,
tongs, tweezers, boots, shoes, gloves, clothes
""")

IRREGULAR_PLURALS = dict(
    pair.split(":")
    for pair in """
person:people man:men woman:women child:children mouse:mice goose:geese sheep:sheep deer:deer fish:fish moose:moose
knife:knives shelf:shelves bookshelf:bookshelves leaf:leaves wolf:wolves calf:calves loaf:loaves scarf:scarves ox:oxen
fisherman:fishermen snowman:snowmen goldfish:goldfish bus:buses cactus:cacti potato:potatoes tomato:tomatoes dice:dice
hippo:hippos radio:radios piano:pianos volcano:volcanoes mango:mangoes
""".split()
)


COLOURS = """
red orange yellow green blue purple pink brown black white gray grey silver golden gold beige tan turquoise violet
crimson teal maroon
""".split()
MATERIALS = """
glass stone metal brick leather plastic paper rubber steel marble wood bamboo copper iron cotton velvet ceramic wicker
concrete toy baby kitchen office garden
""".split()
ADJECTIVES = """
big small large tiny huge old new shiny wooden metallic fluffy round square tall short long soft rough smooth bright
dark colorful cute wet dusty glossy fuzzy furry rusty ancient modern sleek elegant majestic delicate vibrant fresh
empty sturdy giant little beautiful young adult ripe juicy transparent circular rectangular oval triangular narrow wide
thick thin heavy light hot cold dirty clean sunny grassy sandy snowy rocky busy quiet open full fancy plain vintage
antique golden woolen single whole tabby stray wild plump skinny lush cozy crowded bare ornate rustic
happy sad sleepy lonely hungry curious beige floral
""".split()
PARTICIPLES = """
rusted abandoned broken parked painted polished striped decorated cracked torn faded folded sliced baked grilled fried
roasted peeled frosted glazed stuffed carved worn lit stacked closed crumpled discarded worn wrinkled chipped tilted
framed tiled paved cluttered steaming flying sleeping running smiling standing sitting burning glowing shining floating
melting blooming rolling barking moving speeding wilting sparkling towering
""".split()
